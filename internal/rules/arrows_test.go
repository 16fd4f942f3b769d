package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// layers is who may import whom: a package those of lower layers, and those of its own group.
// A group is a directory and all below it that isn't another group; "." is the root alone.
var layers = [][]string{
	{"cmd", "machine/xen/testbed", "internal/rules", "internal/doorgen", "docs", "examples"},
	{"bench", "torture", "sim", "check", "report", "boot"},
	{"internal/twin", "rig"},
	{"machine", "textpatch", "host", "result", "internal/chanmachine", "paravirt/contract"},
	{"workload", "."},
	{"spinlock"},
	{"paravirt"},
	{"internal/arch", "internal/anontext", "internal/uprobe", "internal/gomaxprocs", "explore"},
}

// strangers are groups that must not know each other, neither directly nor through others.
var strangers = []struct{ group, unknown, why string }{
	{"machine", "spinlock", "a machine knows no lock"},
	{"internal/chanmachine", "spinlock", "a machine knows no lock"},
	{"internal/twin", "internal/arch", "the twin runs on the modelled arch alone"},
}

// outside says which modules a group may depend on, directly or through others. A group that isn't
// listed is free.
var outside = map[string][]string{
	".":             {},
	"spinlock":      {},
	"paravirt":      {},
	"internal/arch": {},
	"workload":      {},
	"boot":          {"golang.org/x/"},
	"textpatch":     {"golang.org/x/"},
}

// arrows finds imports against the layers, for each system that is built for.
func arrows(t *testing.T, root string) (found []finding) {
	places := importPlaces(t, root)
	report := func(dir, imported, format string, args ...any) {
		f := places[[2]string{dir, imported}]
		if f.file == "" {
			f = finding{file: dir, line: 0}
		}
		f.text = fmt.Sprintf(format, args...)
		if !slices.Contains(found, f) {
			found = append(found, f)
		}
	}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		all := listPackages(t, root, goos)
		for _, p := range all {
			if dirOf(p.ImportPath) != "" {
				checkImports(p, report)
				checkDeps(p, all, report)
			}
		}
	}
	return found
}

// A listed is a package as go list describes it.
type listed struct {
	ImportPath    string
	Imports, Deps []string
	Standard      bool
}

// via returns the import of p that is, or depends on, dep.
func (p *listed) via(dep string, all map[string]*listed) string {
	i := slices.IndexFunc(p.Imports, func(imported string) bool {
		return imported == dep || all[imported] != nil && slices.Contains(all[imported].Deps, dep)
	})
	if i < 0 {
		return dep
	}
	return p.Imports[i]
}

// dirOf returns a package's directory below the root, or "" if it is not ours.
func dirOf(importPath string) string {
	if importPath == module {
		return "."
	}
	dir, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return ""
	}
	return dir
}

// groupOf returns the group of a directory and its layer; -1 if it is in none.
func groupOf(dir string) (group string, layer int) {
	for {
		for i, groups := range layers {
			if slices.Contains(groups, dir) {
				return dir, i
			}
		}
		if dir = path.Dir(dir); dir == "." {
			return "", -1
		}
	}
}

type reporter func(dir, imported, format string, args ...any)

func checkImports(p *listed, report reporter) {
	dir := dirOf(p.ImportPath)
	group, layer := groupOf(dir)
	if layer < 0 {
		report(dir, "", "package %s is in no layer: add it to layers in internal/rules", dir)
		return
	}
	for _, imported := range p.Imports {
		d := dirOf(imported)
		if d == "" {
			continue
		}
		if g, l := groupOf(d); g != group && l <= layer {
			report(dir, imported, "%s imports %s, which is not below it", dir, d)
		}
	}
}

// checkDeps reports each forbidden dependency at the import that brings it in.
func checkDeps(p *listed, all map[string]*listed, report reporter) {
	dir := dirOf(p.ImportPath)
	group, _ := groupOf(dir)
	for _, dep := range p.Deps {
		depGroup := ""
		if d := dirOf(dep); d != "" {
			depGroup, _ = groupOf(d)
		}
		for _, s := range strangers {
			if group == s.group && depGroup == s.unknown {
				report(dir, p.via(dep, all), "%s depends on %s: %s", dir, dirOf(dep), s.why)
			}
		}
		allowed, limited := outside[group]
		if !limited || dirOf(dep) != "" || all[dep] == nil || all[dep].Standard {
			continue
		}
		if !slices.ContainsFunc(allowed,
			func(prefix string) bool { return strings.HasPrefix(dep, prefix) }) {
			report(dir, p.via(dep, all), "%s depends on %s: it may on the standard library%s alone",
				dir, dep, also(allowed))
		}
	}
}

func also(prefixes []string) string {
	if len(prefixes) == 0 {
		return ""
	}
	return " and " + strings.Join(prefixes, ", ")
}

// listPackages returns the tree's packages and all that they depend on.
func listPackages(t *testing.T, root, goos string) map[string]*listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard", "./...")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0",
		"GOFLAGS=-mod=readonly", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	all := make(map[string]*listed)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(listed)
		err := d.Decode(p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all[p.ImportPath] = p
	}
}

// importPlaces returns where each directory imports each package first.
func importPlaces(t *testing.T, root string) map[[2]string]finding {
	t.Helper()
	places := make(map[[2]string]finding)
	for _, s := range sources(t, root) {
		if s.test() {
			continue
		}
		if first := [2]string{s.dir(), ""}; places[first].file == "" {
			places[first] = s.find(s.file, "")
		}
		for imported, spec := range s.imports() {
			if key := [2]string{s.dir(), imported}; places[key].file == "" {
				places[key] = s.find(spec, "")
			}
		}
	}
	return places
}
