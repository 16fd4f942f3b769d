package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEachFieldOfARunIsExplained(t *testing.T) {
	page := read(t, "results.md")
	for _, kind := range []string{"bench", "sim", "torture"} {
		text, err := os.ReadFile(filepath.Join(root, "result", "schema", kind+"-1.json"))
		if err != nil {
			t.Fatal(err)
		}
		var schema struct {
			Defs struct {
				Run struct{ Properties map[string]any }
			} `json:"$defs"`
		}
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		if len(schema.Defs.Run.Properties) < 10 {
			t.Errorf("%s: the schema has %d fields of a run", kind, len(schema.Defs.Run.Properties))
		}
		for name := range schema.Defs.Run.Properties {
			if !strings.Contains(page, "`"+name+"`") {
				t.Errorf("%s: nothing about %s", kind, name)
			}
		}
	}
}
