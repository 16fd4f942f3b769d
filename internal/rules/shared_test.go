package rules

import (
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const arch = module + "/internal/arch"

// Cells are places in shared memory; small ones are parts of a word.
var (
	cells = []string{"U8", "U16", "U32", "Ptr", "Word"}
	small = []string{"U8", "U16"}
)

// shared finds Go pointers in the same memory as a shared cell, and cells of 8 and 16 bits
// that are declared by themselves.
func shared(t *testing.T, root string) (found []finding) {
	at, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	pkgs, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps |
			packages.NeedExportFile | packages.NeedSyntax | packages.NeedTypes |
			packages.NeedTypesInfo,
		Dir: at,
	}, "./...")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pkgs {
		for _, e := range p.Errors {
			t.Fatalf("%s: %v", p.PkgPath, e)
		}
		s := sharedIn{p, at, nil}
		for _, file := range p.Syntax {
			// A program may have pointers beside its locks: it is the lock text's state that has to
			// do without.
			if !strings.HasPrefix(p.PkgPath, module+"/examples/") {
				s.pointers(file)
			}
			s.smallCells(file)
		}
		found = append(found, s.found...)
	}
	return found
}

// A sharedIn is what is found in one package.
type sharedIn struct {
	pkg   *packages.Package
	root  string
	found []finding
}

func (s *sharedIn) report(at token.Pos, text string) {
	where := s.pkg.Fset.Position(at)
	name, err := filepath.Rel(s.root, where.Filename)
	if err != nil {
		name = where.Filename
	}
	s.found = append(s.found, finding{filepath.ToSlash(name), where.Line, text})
}

// pointers finds structs and arrays that hold a cell and a pointer.
func (s *sharedIn) pointers(file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.StructType, *ast.ArrayType:
			if t := s.pkg.TypesInfo.TypeOf(n.(ast.Expr)); t != nil && holds(t, isCell) &&
				holds(t, isPointer) {
				s.report(n.Pos(),
					"holds a shared cell and a Go pointer: shared state has numbers in place of "+
						"pointers")
			}
		}
		return true
	})
}

// smallCells finds uses of the small cells' types other than by pointer, and variables
// whose type is inferred to be one.
func (s *sharedIn) smallCells(file *ast.File) {
	const text = "is a cell of less than 32 bits by itself: declare an arch.Word and take a part " +
		"of it"
	byPointer := make(map[*ast.Ident]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok && spec.Assign.IsValid() {
			return false // another name for it declares nothing
		}
		if star, ok := n.(*ast.StarExpr); ok {
			switch x := star.X.(type) {
			case *ast.Ident:
				byPointer[x] = true
			case *ast.SelectorExpr:
				byPointer[x.Sel] = true
			}
		}
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		if use, ok := s.pkg.TypesInfo.Uses[id].(*types.TypeName); ok && isSmall(use.Type()) &&
			!byPointer[id] {
			s.report(id.Pos(), text)
		}
		if def, ok := s.pkg.TypesInfo.Defs[id].(*types.Var); ok && isSmall(def.Type()) &&
			!s.spelt(file, def) {
			s.report(id.Pos(), text)
		}
		return true
	})
}

// spelt reports whether a variable's declaration spells its type, and so has been found
// already.
func (s *sharedIn) spelt(file *ast.File, v *types.Var) (spelt bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			spelt = spelt ||
				slices.ContainsFunc(n.Names, func(id *ast.Ident) bool {
					return id.Pos() == v.Pos()
				})
		case *ast.ValueSpec:
			spelt = spelt ||
				n.Type != nil &&
					slices.ContainsFunc(n.Names, func(id *ast.Ident) bool {
						return id.Pos() == v.Pos()
					})
		}
		return !spelt
	})
	return spelt || v.Embedded()
}

// holds reports whether t, or a part of it that lies in the same memory, satisfies is.
func holds(t types.Type, is func(types.Type) bool) bool {
	if is(t) {
		return true
	}
	switch u := t.Underlying().(type) {
	case *types.Struct:
		for f := range u.Fields() {
			if holds(f.Type(), is) {
				return true
			}
		}
	case *types.Array:
		return holds(u.Elem(), is)
	}
	return false
}

func isCell(t types.Type) bool  { return isOfArch(t, cells) }
func isSmall(t types.Type) bool { return isOfArch(t, small) }

func isOfArch(t types.Type, names []string) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == arch &&
		slices.Contains(names, named.Obj().Name())
}

func isPointer(t types.Type) bool {
	if _, ok := types.Unalias(t).(*types.TypeParam); ok {
		return true // may stand for a pointer
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map, *types.Chan, *types.Signature, *types.Interface:
		return true
	case *types.Basic:
		return u.Kind() == types.String || u.Kind() == types.UnsafePointer
	}
	return false
}
