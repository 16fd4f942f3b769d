package report

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"example.com/pvlock/explore"
	"example.com/pvlock/result"
)

// What package explore writes is read whole, and stands on the page.
func TestExplored(t *testing.T) {
	n := 0
	body := func() { n++ }
	r := explore.Run(explore.Config{
		Final: func() { explore.Assert(n == 2) },
		Names: map[string]any{"counter": &n},
	}, body, body)
	r.Name = t.Name()
	var file bytes.Buffer
	if err := r.Write(&file); err != nil {
		t.Fatal(err)
	}
	read, err := result.Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	x := read.(*result.Explored)
	if r.Refused != "" {
		t.Skip(r.Refused)
	}
	page := string(render(t, File{"", x}))
	for _, want := range []string{"TestExplored", "x86-TSO", "assertion", "counter", "thread 1",
		"reaches memory", "explore_test.go"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if len(x.Finding.Steps) != len(r.Finding.Steps) {
		t.Errorf("%d steps, want %d", len(x.Finding.Steps), len(r.Finding.Steps))
	}
}

// The two declarations of the file's form are the same.
func TestExploredHasTheFieldsOfResult(t *testing.T) {
	for _, tt := range []struct{ wrote, read any }{
		{explore.Result{}, result.Explored{}}, {explore.Finding{}, result.ExploredFinding{}},
		{explore.Step{}, result.ExploredStep{}},
	} {
		wrote, read := tags(tt.wrote), tags(tt.read)
		delete(read, "schema")
		if !reflect.DeepEqual(wrote, read) {
			t.Errorf("%T has %v, %T has %v", tt.wrote, wrote, tt.read, read)
		}
	}
	if explore.Schema != result.SchemaExplore {
		t.Errorf("schemas %q and %q", explore.Schema, result.SchemaExplore)
	}
}

func tags(v any) map[string]bool {
	all := make(map[string]bool)
	for t, i := reflect.TypeOf(v), 0; i < t.NumField(); i++ {
		all[t.Field(i).Tag.Get("json")] = true
	}
	return all
}
