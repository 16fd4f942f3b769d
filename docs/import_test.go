package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// A program that imports Mutex as the README says: its command, and its text, in a fresh module.
func TestMutexIsImportedAsTheReadmeSays(t *testing.T) {
	readme := read(t, root+"/README.md")
	var require string
	for _, block := range shellBlock.FindAllStringSubmatch(readme, -1) {
		if strings.HasPrefix(block[1], "go mod edit ") {
			require = strings.TrimSpace(block[1])
		}
	}
	text := goBlock.FindStringSubmatch(readme)
	if require == "" || text == nil {
		t.Fatal("README.md does not say how to import the module, or shows no Go")
	}
	tree, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(tree, filepath.Join(dir, "pvlock")); err != nil {
		t.Skip("the copy beside the module is a symbolic link here: ", err)
	}
	mine := filepath.Join(dir, "mine")
	if err := os.Mkdir(mine, 0o777); err != nil {
		t.Fatal(err)
	}
	body := strings.Replace(text[1], "import \"example.com/pvlock\"\n", "", 1)
	write(t, filepath.Join(mine, "main.go"), "package main\n\n"+
		"import (\n\t\"context\"\n\t\"fmt\"\n\n\t\"example.com/pvlock\"\n)\n"+body+`
var total int

func main() { fmt.Println(add(context.Background(), 42), total) }
`)
	t.Setenv("GOFLAGS", "-mod=mod")
	command(t, mine, "go", "mod", "init", "mine")
	command(t, mine, strings.Fields(require)...)
	if got := command(t, mine, "go", "run", "."); strings.TrimSpace(got) != "<nil> 42" {
		t.Errorf("the README's Mutex printed %q, want <nil> 42", got)
	}
}
