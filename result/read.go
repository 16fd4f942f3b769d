package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Read reads a result of any kind: a *[Bench], *[Sim], *[Torture], *[Check], *[Mutexes], *[Unlocks]
// or *[Explored]. What is malformed, cut short, foreign or of a newer version is an error of one
// line, to which the caller adds the file's name.
func Read(r io.Reader) (any, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	schema, err := checkSchema(text, SchemaBench, SchemaSim, SchemaTorture, SchemaCheck,
		SchemaMutex, SchemaUnlock, SchemaExplore)
	if err != nil {
		return nil, err
	}
	switch schema {
	case SchemaBench:
		return orNil(decode[Bench](text, schema))
	case SchemaSim:
		return orNil(decode[Sim](text, schema))
	case SchemaTorture:
		return orNil(decode[Torture](text, schema))
	case SchemaCheck:
		return orNil(decode[Check](text, schema))
	case SchemaMutex:
		return orNil(decode[Mutexes](text, schema))
	case SchemaExplore:
		return orNil(decode[Explored](text, schema))
	}
	return orNil(decode[Unlocks](text, schema))
}

// orNil makes a nil pointer a nil interface.
func orNil[P any](p P, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ReadBench reads what [Bench.Write] wrote. What is malformed, cut short, of another
// kind or of a newer version is an error of one line, to which the caller adds the
// file's name.
func ReadBench(r io.Reader) (*Bench, error) { return read[Bench](r, SchemaBench) }

// checked is a pointer to a result that can say what is missing.
type checked[T any] interface {
	*T
	check() error
}

// read reads a result of type T, whose schema is want.
func read[T any, P checked[T]](r io.Reader, want string) (P, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	if _, err := checkSchema(text, want); err != nil {
		return nil, err
	}
	return decode[T, P](text, want)
}

func decode[T any, P checked[T]](text []byte, schema string) (P, error) {
	t := P(new(T))
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("a %s with a field that it can't have: %s", schema,
			strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("a %s that is incomplete: %w", schema, err)
	}
	return t, nil
}

// checkSchema says whether text is JSON, whole, and of one of the wanted schemas: which.
func checkSchema(text []byte, wanted ...string) (string, error) {
	want := strings.Join(wanted, ", ")
	if len(wanted) > 1 {
		want = "one of " + want
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return "", fmt.Errorf("not a result: it is empty; want a JSON file with schema %s", want)
	}
	var head struct {
		Schema *string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return "", malformed(text, want, err)
	}
	if head.Schema == nil {
		return "", fmt.Errorf("not a result: it has no \"schema\"; want %s", want)
	}
	have := *head.Schema
	kind, version, ok := cutVersion(have)
	for _, w := range wanted {
		wantKind, wantVersion, _ := cutVersion(w)
		switch {
		case have == w:
			return have, nil
		case ok && kind == wantKind && version > wantVersion:
			return "", fmt.Errorf("written by a newer pvlock: its schema is %s, this program "+
				"reads up to %s; update pvlock", have, w)
		}
	}
	if ok && strings.HasPrefix(kind, "pvlock/") {
		return "", fmt.Errorf("another kind of result: its schema is %q, want %s", have, want)
	}
	return "", fmt.Errorf("not a result of pvlock: its schema is %q, want %s", have, want)
}

func malformed(text []byte, want string, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return fmt.Errorf("not a result: its \"schema\" is not text, or it is not an object; "+
			"want a JSON file with schema %s", want)
	}
	line := 1 + bytes.Count(text[:min(int(syntax.Offset), len(text))], []byte("\n"))
	if int(syntax.Offset) >= len(text) && strings.Contains(syntax.Error(), "unexpected end") {
		return fmt.Errorf("cut short: the JSON ends in the middle of line %d; measure again, or "+
			"find the whole file", line)
	}
	return fmt.Errorf("not JSON: line %d: %w; want a JSON file with schema %s", line, syntax, want)
}

// cutVersion splits "pvlock/bench/1" into "pvlock/bench" and 1.
func cutVersion(schema string) (kind string, version int, ok bool) {
	i := strings.LastIndexByte(schema, '/')
	if i < 0 {
		return schema, 0, false
	}
	version, err := strconv.Atoi(schema[i+1:])
	return schema[:i], version, err == nil
}

// check finds what is missing: what those who work with a Bench rely on.
func (b *Bench) check() error {
	if len(b.Command) == 0 {
		return errors.New("no command")
	}
	for i := range b.Runs {
		r := &b.Runs[i]
		switch {
		case r.Lock == "":
			return fmt.Errorf("run %d has no lock", i+1)
		case r.Machine == "":
			return fmt.Errorf("run %d has no machine", i+1)
		case r.CPUs < 1 || r.VCPUs < 1:
			return fmt.Errorf("run %d has %d vCPUs on %d CPUs, want 1 or more of each", i+1,
				r.VCPUs, r.CPUs)
		case r.Round < 1:
			return fmt.Errorf("run %d is of round %d, want 1 or more", i+1, r.Round)
		}
	}
	return nil
}
