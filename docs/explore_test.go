//go:build amd64 && !race

package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExplorePage does what explore.md says, in a module outside this one.
func TestExplorePage(t *testing.T) {
	page := read(t, "explore.md")
	tree, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	names := regexp.MustCompile("`([a-z_]+\\.go)`")
	last, files := 0, 0
	for _, at := range goBlock.FindAllStringSubmatchIndex(page, -1) {
		// A block is the file that was named last before it.
		all := names.FindAllStringSubmatch(page[last:at[0]], -1)
		if len(all) == 0 {
			t.Fatalf("no file is named before %q", page[at[2]:at[3]][:40])
		}
		write(t, filepath.Join(dir, all[len(all)-1][1]), page[at[2]:at[3]])
		last = at[1]
		files++
	}
	if files != 6 {
		t.Errorf("%d files, want 6", files)
	}
	t.Setenv("GOFLAGS", "-mod=mod")
	command(t, dir, "go", "mod", "init", "mine")
	command(t, dir, "go", "mod", "edit", "-require=example.com/pvlock@v0.0.0",
		"-replace=example.com/pvlock="+tree)
	if sum, err := os.ReadFile(filepath.Join(tree, "go.sum")); err == nil {
		write(t, filepath.Join(dir, "go.sum"), string(sum))
	}
	commands := 0
	for _, block := range consoleBlock.FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(block[1]) {
			if do, ok := strings.CutPrefix(strings.TrimSpace(line), "$ "); ok {
				out := command(t, dir, "sh", "-c", do)
				if !strings.Contains(out, "ok") || strings.Contains(out, "no tests to run") {
					t.Errorf("%s ran nothing:\n%s", do, out)
				}
				t.Logf("%s\n%s", do, out)
				commands++
			}
		}
	}
	if commands != 3 {
		t.Errorf("%d commands, want 3", commands)
	}
}
