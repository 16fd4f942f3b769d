//go:build amd64 && !purego

package boot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// stepsDir is where the program is built.
var stepsDir string

// buildSteps builds the program that does what it is told, once.
var buildSteps = sync.OnceValues(func() (exe string, err error) {
	if stepsDir, err = os.MkdirTemp("", "steps"); err != nil {
		return "", err
	}
	exe = filepath.Join(stepsDir, "steps")
	// As a debugger and a probe want it: with symbols, and where its file says.
	if out, err := exec.Command("go", "build", "-buildmode=exe", "-o", exe, "./testdata/steps").
		CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return exe, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if stepsDir != "" {
		os.RemoveAll(stepsDir)
	}
	os.Exit(code)
}

// steps returns the program.
func steps(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a program")
	}
	exe, err := buildSteps()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// patched is what the program says when it has booted.
type patched struct {
	Done    bool
	Why     string
	Found   int    `json:"sites_found"`
	Patched int    `json:"sites_patched"`
	Unsure  int    `json:"sites_unsure"`
	Written string `json:"written"`
	NotLive string `json:"not_live"`
}

// whole reports whether all was patched, and written in this way.
func (p patched) whole(written string) bool {
	return p.Done && p.Found > 0 && p.Patched == p.Found && p.Unsure == 0 && p.Written == written
}

// answers reads what the program says of its steps, from what may hold other lines, too: a
// debugger's.
func answers(t *testing.T, out string) (boots []patched, rest []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		var p patched
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "{") &&
			json.Unmarshal([]byte(line), &p) == nil {
			boots = append(boots, p)
		} else {
			rest = append(rest, line)
		}
	}
	return boots, rest
}

// walk runs the program under another one, if that is given, and returns what both printed.
func walk(t *testing.T, steps string, env []string, under ...string) string {
	t.Helper()
	cmd := exec.Command(under[0], under[1:]...)
	cmd.Env = append(clean(os.Environ()), env...)
	cmd.Stdin = strings.NewReader(steps)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", under, err, out)
	}
	return string(out)
}

// found returns the path of a program, or skips the test.
func found(t *testing.T, program, install string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("SKIPPED: no %s here: %s", program, install)
	}
	return path
}

const allSteps = "run\nboot\nrun\nexercise\n"

// ran fails the test unless the locks did what they should.
func ran(t *testing.T, out string) {
	t.Helper()
	if strings.Count(out, "held: false") != 2 || !strings.Contains(out, "excluded") {
		t.Errorf("the locks were not all released, or didn't exclude:\n%s", out)
	}
}

func TestWithNobodyLookingItIsPatchedLive(t *testing.T) {
	exe := steps(t)
	for _, mode := range []string{"native", "pv"} {
		out := walk(t, allSteps, []string{EnvMode + "=" + mode, EnvPatch + "=1"}, exe)
		ran(t, out)
		if p, _ := answers(t, out); len(p) != 1 || !p[0].whole("live") || p[0].NotLive != "" {
			t.Errorf("%s", out)
		}
	}
}

func TestUnderGDBItIsPatchedQuietly(t *testing.T) {
	exe := steps(t)
	gdb := found(t, "gdb", "apt-get install gdb")
	input := filepath.Join(t.TempDir(), "steps")
	if err := os.WriteFile(input, []byte(allSteps), 0o666); err != nil {
		t.Fatal(err)
	}
	run := []string{gdb, "-nx", "-q", "-batch", "-ex", "handle SIGURG nostop noprint pass"}
	debug := func(commands ...string) string {
		args := run
		for _, c := range append(commands, "run <"+input) {
			args = append(args, "-ex", c)
		}
		out := walk(t, "", []string{EnvMode + "=native", EnvPatch + "=1"},
			append(args, "-ex", "info breakpoints", exe)...)
		if strings.Contains(out, "not being run") ||
			strings.Contains(out, "ptrace: Operation not permitted") {
			t.Skipf("SKIPPED: gdb may not trace here:\n%s", out)
		}
		if strings.Contains(out, "SIGTRAP") || !strings.Contains(out, "exited normally") {
			t.Errorf("%s", out)
		}
		ran(t, out)
		return out
	}
	out := debug()
	p, _ := answers(t, out)
	if len(p) != 1 || !p[0].whole("quiet") || !strings.Contains(p[0].NotLive, "under a debugger") {
		t.Errorf("%s", out)
	}

	// A breakpoint on a call is found, not overlooked, and stays where it is: the call goes through
	// the table.
	var site, offset uint64
	if _, err := fmt.Sscanf(walk(t, "site\n", nil, exe), "%v %d", &site, &offset); err != nil {
		t.Fatal(err)
	}
	out = debug(fmt.Sprintf("break *%#x", site), "ignore 1 1000000")
	b, _ := answers(t, out)
	if len(b) != 1 || len(p) != 1 || !b[0].Done || b[0].Found != p[0].Found || b[0].Unsure != 1 ||
		b[0].Patched != b[0].Found-1 {
		t.Errorf("with a breakpoint on a call: %+v, and without: %+v\n%s", b, p, out)
	}
	// More, if a signal came in between and the instruction was begun again.
	hits := 0
	if _, after, there := strings.Cut(out, "breakpoint already hit "); there {
		fmt.Sscan(after, &hits)
	}
	if hits < 2000 {
		t.Errorf("the breakpoint was hit %d times of 2000:\n%s", hits, out)
	}
}

func TestUnderDelveItIsPatchedQuietly(t *testing.T) {
	exe := steps(t)
	dlv := found(t, "dlv", "go install github.com/go-delve/delve/cmd/dlv@latest")
	dir := t.TempDir()
	input, script := filepath.Join(dir, "steps"), filepath.Join(dir, "script")
	for name, text := range map[string]string{input: allSteps, script: "continue\nexit\n"} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out := walk(t, "", []string{EnvMode + "=native", EnvPatch + "=1"},
		dlv, "exec", exe, "--allow-non-terminal-interactive=true", "--init", script, "-r",
		"stdin:"+input)
	ran(t, out)
	if p, _ := answers(t, out); len(p) != 1 || !p[0].whole("quiet") ||
		!strings.Contains(p[0].NotLive, "under a debugger") ||
		!strings.Contains(out, "exited with status 0") {
		t.Errorf("%s", out)
	}
}

// left fails the test unless nothing was patched, for a reason in one line, and the locks go by the
// tables.
func left(t *testing.T, out string, words ...string) {
	t.Helper()
	ran(t, out)
	p, _ := answers(t, out)
	if len(p) != 1 || p[0].Done || p[0].Patched != 0 || strings.Contains(p[0].Why, "\n") {
		t.Fatalf("%s", out)
	}
	for _, w := range words {
		if !strings.Contains(p[0].Why, w) {
			t.Errorf("no %q in %q", w, p[0].Why)
		}
	}
}

func TestUnderAnEmulatorTheLocksGoByTheTables(t *testing.T) {
	exe := steps(t)
	qemu := found(t, "qemu-x86_64", "apt-get install qemu-user")
	for _, mode := range []string{"native", "pv"} {
		left(t, walk(t, allSteps, []string{EnvMode + "=" + mode, EnvPatch + "=1"}, qemu, exe),
			"has no effect", "emulator")
	}
}

func TestTextThatNoFileIsMappedToIsLeftAsItIs(t *testing.T) {
	exe := steps(t)
	for _, move := range []string{"move\n", "move half\n"} {
		left(t, walk(t, move+allSteps, []string{EnvMode + "=pv", EnvPatch + "=1"}, exe),
			"no file is mapped to")
	}
}

// A walker is the program, told one step after the other.
type walker struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

func startSteps(t *testing.T, env ...string) *walker {
	t.Helper()
	w := &walker{t: t, cmd: exec.Command(steps(t))}
	w.cmd.Env = append(clean(os.Environ()), env...)
	w.cmd.Stderr = &w.stderr
	var err1, err2 error
	var out io.ReadCloser
	w.in, err1 = w.cmd.StdinPipe()
	out, err2 = w.cmd.StdoutPipe()
	if err := errors.Join(err1, err2, w.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	w.out = bufio.NewReader(out)
	return w
}

// do has the program take a step, and returns what it said.
func (w *walker) do(step string) string {
	w.t.Helper()
	_, err1 := fmt.Fprintln(w.in, step)
	line, err2 := w.out.ReadString('\n')
	if err := errors.Join(err1, err2); err != nil {
		w.cmd.Process.Kill()
		w.cmd.Wait()
		w.t.Fatalf("%s: %v\n%s", step, err, &w.stderr)
	}
	return strings.TrimSpace(line)
}

// end fails the test unless the program ends well.
func (w *walker) end() {
	w.t.Helper()
	w.in.Close()
	if err := w.cmd.Wait(); err != nil {
		w.t.Errorf("%v\n%s", err, &w.stderr)
	}
}
