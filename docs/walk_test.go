package docs

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The walk of add-a-lock.md: the file and the line that it adds, and where the line goes.
const (
	walk      = "add-a-lock.md"
	catalogue = "spinlock/catalogue.go"
	before    = "\t\tkind(Kind{\n\t\t\tName: \"qspin\","
)

var (
	goBlock      = regexp.MustCompile("(?s)```go\n(.*?)```")
	consoleBlock = regexp.MustCompile("(?s)```console\n(.*?)```")
)

// added returns the new file, and the catalogue with the new line.
func added(t *testing.T) (file, kinds string) {
	t.Helper()
	blocks := goBlock.FindAllStringSubmatch(read(t, walk), -1)
	if len(blocks) != 2 {
		t.Fatalf("%s has %d blocks of Go, want the file and the line", walk, len(blocks))
	}
	kinds = read(t, root+"/"+catalogue)
	if strings.Count(kinds, before) != 1 {
		t.Fatalf("%s has no place for the line", catalogue)
	}
	return blocks[0][1], strings.Replace(kinds, before, blocks[1][1]+before, 1)
}

func TestTheLockThatIsAddedIsTheFixtureAndCompiles(t *testing.T) {
	file, kinds := added(t)
	if file != read(t, "testdata/backoff.go") {
		t.Errorf("the lock in %s is not the one in testdata/backoff.go", walk)
	}
	dir := t.TempDir()
	replace := make(map[string]string)
	for name, text := range map[string]string{"spinlock/backoff.go": file, catalogue: kinds} {
		at, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		replace[at] = filepath.Join(dir, filepath.Base(name))
		write(t, replace[at], text)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "overlay.json"), string(overlay))
	command(t, root, "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "./spinlock")
	command(t, root, "gofmt", "-d", filepath.Join(dir, "backoff.go"),
		filepath.Join(dir, filepath.Base(catalogue)))
}

// TestWalk does what add-a-lock.md says, in a copy of the tree.
func TestWalk(t *testing.T) {
	if os.Getenv("PVLOCK_WALK") == "" {
		t.Skip("half a minute: set PVLOCK_WALK=1")
	}
	file, kinds := added(t)
	dir := t.TempDir()
	copyTree(t, root, dir)
	write(t, filepath.Join(dir, "spinlock", "backoff.go"), file)
	write(t, filepath.Join(dir, filepath.FromSlash(catalogue)), kinds)
	for _, block := range consoleBlock.FindAllStringSubmatch(read(t, walk), -1) {
		for line := range strings.Lines(block[1]) {
			if do, ok := strings.CutPrefix(strings.TrimSpace(line), "$ "); ok {
				t.Logf("%s\n%s", do, command(t, dir, strings.Fields(do)...))
			}
		}
	}
}

// copyTree copies what is not hidden.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at, err := filepath.Rel(from, name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && at != "." && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, at), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, at), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// command runs a command, which must succeed and, if it is gofmt, say nothing.
func command(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || args[0] == "gofmt" && len(out) > 0 {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
