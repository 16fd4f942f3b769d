package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"example.com/pvlock/bench"
	"example.com/pvlock/result"
)

// The tests run this very binary as the command: with this variable set it is
// pvlock.
const asCommand = "PVLOCK_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// pvlock makes the command with these arguments.
func pvlock(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// outcome is what a command left behind.
type outcome struct {
	stdout, stderr string
	code           int
}

func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// quick are flags of a bench that takes a moment.
var quick = []string{"bench", "--locks", "xen,tas", "--overcommit", "1,2", "--duration", "5ms",
	"--rounds", "2"}

func TestBadInputIsOneLineAndExit2(t *testing.T) {
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"unknown command": {[]string{"dance"}, `unknown command "dance"`},
		"unknown flag":    {[]string{"bench", "--fast"}, "unknown flag: --fast"},
		"a misspelling":   {[]string{"benc"}, `unknown command "benc"`},
		"a flag in lines": {[]string{"bench", "--fa\nst"}, "unknown flag: --fa st"},
		"stray argument":  {[]string{"bench", "xen"}, `unknown command "xen"`},
		"unknown lock": {[]string{"bench", "--locks", "xenn"},
			`unknown lock "xenn" on threads: want one of bytelock, `},
		"unknown machine": {[]string{"bench", "--on", "mainframe"},
			`unknown machine "mainframe": want one of threads, goroutines`},
		"no CPUs":       {[]string{"bench", "--cpus", "0"}, "--cpus 0: want 1 to "},
		"negative CPUs": {[]string{"bench", "--cpus", "-1"}, "--cpus -1: want 1 to "},
		"too many CPUs": {[]string{"bench", "--cpus", "100000"}, "--cpus 100000: want 1 to "},
		"undercommit":   {[]string{"bench", "--overcommit", "0.5"}, "overcommit 0.5 of "},
		"no number":     {[]string{"bench", "--overcommit", "1,x"}, "--overcommit"},
		"no rounds":     {[]string{"bench", "--rounds", "0"}, "0 rounds: want 1 to 10000"},
		"no duration": {[]string{"bench", "--duration", "0"},
			"duration of 0s: want 1ms to 1h0m0s"},
		"negative section": {[]string{"bench", "--cs", "-5ns"},
			"critical section of -5ns: want 0s to 1s"},
		"spin": {[]string{"bench", "--spin", "2^40"},
			"want 0 to 4294967293 rounds, 2^0 to 2^31, or forever"},
		"unwritable file": {[]string{"bench", "--json",
			filepath.Join(dir, "no", "such", "folder.json")}, "can't write the result: "},
		"a folder": {[]string{"bench", "--benchfmt", dir}, "can't write the result: "},
		"stdout twice": {[]string{"bench", "--json", "-", "--benchfmt", "-"},
			"only one result can go to stdout"},
	} {
		t.Run(name, func(t *testing.T) {
			got := finish(t, pvlock(t, tt.args...))
			if got.code != 2 || got.stdout != "" {
				t.Errorf("exit %d, stdout %q: want 2 and nothing", got.code, got.stdout)
			}
			if strings.Count(got.stderr, "\n") != 1 || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("stderr %q, want one line with %q", got.stderr, tt.want)
			}
		})
	}
}

func TestWithoutXenOneLineSaysSoAndExit2(t *testing.T) {
	if bench.Probe(bench.OnXen) == nil {
		t.Skip("there is Xen here")
	}
	file := filepath.Join(t.TempDir(), "result.json")
	got := finish(t, pvlock(t, "bench", "--on", "xen", "--json", file))
	if got.code != 2 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 ||
		!strings.Contains(got.stderr, "/dev/xen/evtchn") {
		t.Errorf("exit %d, stdout %q, stderr %q: want 2, nothing, and one line about the device",
			got.code, got.stdout, got.stderr)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a result was left behind")
	}
}

func TestBadInputLeavesAnOldResultAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"bench", "--locks", "xenn", "--json", file},
		{"bench", "--json", file, "--benchfmt", "/no/such/folder/x"},
	} {
		finish(t, pvlock(t, args...))
		if text, err := os.ReadFile(file); err != nil || string(text) != "old" {
			t.Errorf("after %v the file has %q, %v", args, text, err)
		}
	}
}

func TestBenchWritesATable(t *testing.T) {
	got := finish(t, pvlock(t, quick...))
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, stderr %q", got.code, got.stderr)
	}
	for _, want := range []string{"Throughput, relative", "At overcommit 2", "xen", "within 2^16"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("the table has no %q:\n%s", want, got.stdout)
		}
	}
}

// mustBeOf holds what a command wrote against a schema.
func mustBeOf(t *testing.T, schema []byte, stdout string) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := jsonschema.UnmarshalJSON(strings.NewReader(stdout))
	if err != nil {
		t.Fatalf("stdout is not JSON alone: %v\n%s", err, stdout)
	}
	if err := compiled.Validate(text); err != nil {
		t.Error(err)
	}
}

// begins waits until a command measures: it makes the file for its result just before.
func begins(file string) {
	for {
		if part, err := filepath.Glob(file + ".*.part"); err != nil || len(part) > 0 {
			return
		}
		runtime.Gosched()
	}
}

// mustBeInterrupted waits for a command that was interrupted, and fails the test if it doesn't say
// so.
func mustBeInterrupted(t *testing.T, cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted ||
		!strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("the command ended with %v, %q; want exit status %d and a word", err, stderr,
			exitInterrupted)
	}
}

func TestBenchJSONIsWhatItsSchemaSays(t *testing.T) {
	got := finish(t, pvlock(t, append(quick, "--json", "-")...))
	if got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	mustBeOf(t, result.BenchSchema(), got.stdout)
	var b result.Bench
	if err := json.Unmarshal([]byte(got.stdout), &b); err != nil {
		t.Fatal(err)
	}
	if len(b.Runs) != 8 ||
		strings.Join(b.Command[1:], " ") != strings.Join(append(quick, "--json", "-"), " ") {
		t.Errorf("%d runs of %q, want 8 of this command", len(b.Runs), b.Command)
	}
}

func TestAnInterruptEndsTheBenchAndWritesWhatWasMeasured(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupts to send on Windows")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "result.json")
	cmd := pvlock(t, "bench", "--locks", "tas,xen", "--overcommit", "1", "--duration", "1h",
		"--json", file)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begins(file)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	mustBeInterrupted(t, cmd, &stderr)
	if !strings.Contains(stdout.String(), "Interrupted: ") {
		t.Errorf("the table doesn't say it:\n%s", &stdout)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := result.ReadBench(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Runs) > 1 || len(b.Runs) == 1 && !b.Runs[0].Interrupted || !b.Interrupted {
		t.Errorf("%d runs, want at most one, interrupted", len(b.Runs))
	}
}
