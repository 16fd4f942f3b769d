package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"example.com/pvlock/result"
)

// file writes a result to a file.
func file(t *testing.T, name string, r interface{ Write(io.Writer) error }) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.Write(&out); err != nil {
		t.Fatal(err)
	}
	return textFile(t, name, out.String())
}

func textFile(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func smallBench(ops float64) *result.Bench {
	b := &result.Bench{Command: []string{"pvlock", "bench"}}
	for round := 1; round <= 5; round++ {
		b.Runs = append(b.Runs,
			result.Run{Lock: "xen", Machine: "threads", CPUs: 2, VCPUs: 8, Round: round,
				OpsPerSecond: ops + float64(round), AcquisitionsTotal: 1})
	}
	return b
}

func shard(i, of int) *result.Sim {
	return &result.Sim{Command: []string{"pvlock", "sim"}, Cells: of,
		Shard: result.Shard{Index: i, Of: of}, Runs: []result.SimRun{
			{Cell: i - 1, Series: "xen", Lock: "xen", PCPUs: 1, VCPUs: 2,
				Setting: map[string]string{}, Values: map[string]float64{},
				Counters: map[string]uint64{}, SpinRounds: []uint64{}}}}
}

func TestReportMakesAPageOfAllThatCanBeRead(t *testing.T) {
	bench, sim, unlock := file(t, "bench.json", smallBench(1e6)), file(t, "sim.json",
		shard(1, 1)), file(t, "unlock.json", &result.Unlocks{Rounds: 1})
	bad := []string{
		textFile(t, "cut.json", `{"schema": "pvlock/bench/1", `),
		textFile(t, "foreign.json", `{"schema": "fio/3"}`),
		textFile(t, "newer.json", `{"schema": "pvlock/bench/9"}`),
		filepath.Join(t.TempDir(), "no such file"), t.TempDir(),
	}
	page := filepath.Join(t.TempDir(), "page.html")
	got := finish(t,
		pvlock(t, append([]string{"report", bench, sim, unlock, "--html", page}, bad...)...))
	if got.code != exitUsage || got.stdout != "" || strings.Count(got.stderr, "\n") != len(bad)+1 {
		t.Errorf("exit %d, stdout %q, stderr:\n%s", got.code, got.stdout, got.stderr)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"bench.json", "sim.json", "unlock.json", "cut short",
		"newer pvlock", "not a result of pvlock", "no such file"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	got = finish(t, pvlock(t, "report", bench, "--html", "-"))
	if got.code != 0 || got.stderr != "" || !strings.HasPrefix(got.stdout, "<!DOCTYPE html>") {
		t.Errorf("exit %d, stderr %q, stdout %.40q", got.code, got.stderr, got.stdout)
	}
	none := filepath.Join(t.TempDir(), "none.html")
	got = finish(t, pvlock(t, append([]string{"report", "--html", none}, bad...)...))
	if got.code != exitUsage || strings.Count(got.stderr, "\n") != len(bad)+1 {
		t.Errorf("exit %d, stderr:\n%s", got.code, got.stderr)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("a page was made of nothing")
	}
}

func TestReportCompare(t *testing.T) {
	old, same, slower := file(t, "old.json", smallBench(1e6)), file(t, "same.json",
		smallBench(1e6)), file(t, "slower.json", smallBench(8e5))
	other := smallBench(1e6)
	other.Host.Emulated = true
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{old, same, "--max-loss", "5%"}, 0, "~"},
		{[]string{old, slower}, 0, "-20.00%"},
		{[]string{old, slower, "--max-loss", "5%"}, 1, "worse"},
		{[]string{old, slower, "--max-loss", "0.3"}, 0, "worse"},
		{[]string{slower, old, "--max-loss", "0"}, 0, "better"},
	} {
		got := finish(t, pvlock(t, append([]string{"report", "compare"}, tt.args...)...))
		if got.code != tt.code || !strings.Contains(got.stdout, tt.want) {
			t.Errorf("%v: exit %d, want %d and %q:\n%s%s", tt.args, got.code, tt.code, tt.want,
				got.stdout, got.stderr)
		}
	}
	for want, args := range map[string][]string{
		"want 2, the old result and the new one": {old},
		"emulated CPUs":                          {old, file(t, "emulated.json", other)},
		"can't be compared":                      {old, file(t, "sim.json", shard(1, 1))},
		"want 0% to 100%":                        {old, same, "--max-loss", "NaN"},
		"cut short":                              {old, textFile(t, "x.json", "{")},
	} {
		got := finish(t, pvlock(t, append([]string{"report", "compare"}, args...)...))
		if got.code != exitUsage || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 ||
			!strings.Contains(got.stderr, want) {
			t.Errorf("%v: exit %d, stdout %q, stderr %q; want a line with %q", args, got.code,
				got.stdout, got.stderr, want)
		}
	}
}

func TestReportMerge(t *testing.T) {
	one, two, three := file(t, "1.json", shard(1, 3)), file(t, "2.json", shard(2, 3)), file(t,
		"3.json", shard(3, 3))
	a, b := finish(t, pvlock(t, "report", "merge", one, two, three, "-o", "-")), finish(t,
		pvlock(t, "report", "merge", three, one, two, "-o", "-"))
	if a.code != 0 || a.stdout != b.stdout || !strings.Contains(a.stdout, `"of": 1`) {
		t.Errorf("exit %d, %s\n%s\nand\n%s", a.code, a.stderr, a.stdout, b.stdout)
	}
	for want, args := range map[string][]string{
		"missing is shard 2":           {one, three, "-o", "-"},
		"given twice":                  {one, one, two, three, "-o", "-"},
		"no file to write to":          {one, two, three},
		"want a shard of a simulation": {one, file(t, "bench.json", smallBench(1)), "-o", "-"},
		"0 arguments":                  {"-o", "-"},
	} {
		got := finish(t, pvlock(t, append([]string{"report", "merge"}, args...)...))
		if got.code != exitUsage || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 ||
			!strings.Contains(got.stderr, want) {
			t.Errorf("%v: exit %d, stdout %q, stderr %q; want a line with %q", args, got.code,
				got.stdout, got.stderr, want)
		}
	}
}

func TestWhatMakesAResultMakesAPage(t *testing.T) {
	for name, args := range map[string][]string{
		"bench": quick, "bench unlock": {"bench", "unlock", "--rounds", "1", "--pairs", "1000"},
		"bench mutex": {"bench", "mutex", "--groups", "alone", "--duration", "1ms", "--rounds",
			"1"}, "check": {"check", "--locks", "xen", "--client", "plain"},
	} {
		page := filepath.Join(t.TempDir(), "page.html")
		got := finish(t, pvlock(t, append(args, "--html", page)...))
		text, err := os.ReadFile(page)
		if got.code != 0 || got.stdout == "" || err != nil ||
			!strings.Contains(string(text), "</html>") {
			t.Errorf("%s: exit %d, %v, %s", name, got.code, err, got.stderr)
		}
		got = finish(t, pvlock(t, append(args, "--html", "-")...))
		if got.code != 0 || !strings.HasPrefix(got.stdout, "<!DOCTYPE html>") ||
			!strings.HasSuffix(got.stdout, "</html>\n") {
			t.Errorf("%s: exit %d, and not the page alone on stdout", name, got.code)
		}
	}
}

func TestBenchEndsWithHowToGetThePage(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"pvlock bench --html bench.html":    nil,
		"pvlock report " + dir + "/b.json":  {"--json", dir + "/b.json"},
		"The page is in " + dir + "/b.html": {"--html", dir + "/b.html"},
	} {
		got := finish(t, pvlock(t, append(append([]string{}, quick...), args...)...))
		lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
		if last := lines[len(lines)-1]; !strings.Contains(last, want) {
			t.Errorf("%v: the last line is %q, want %q", args, last, want)
		}
	}
}

func TestWithoutArgumentsItSaysWhatToTryFirst(t *testing.T) {
	got := finish(t, pvlock(t))
	for _, want := range []string{"pvlock doctor", "pvlock bench", "pvlock check", "pvlock sim",
		"pvlock torture", "pvlock report"} {
		if got.code != 0 || !strings.Contains(got.stdout, want) {
			t.Errorf("exit %d, no %q in\n%s", got.code, want, got.stdout)
		}
	}
}

func TestTheShellCompletesLists(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
		not  string
	}{
		{[]string{"bench", "--locks", ""}, "pvqspin\n", "xen,"},
		{[]string{"bench", "--locks", "xen,pv"}, "xen,pvqspin\n", "xen,xen\n"},
		{[]string{"bench", "--on", "k"}, "kvm\n", "tas"},
		{[]string{"check", "--client", ""}, "plain\n", "xen"},
		{[]string{"check", "--scenario", "x"}, "xen2008-fence\n", "plain"},
		{[]string{"bench", "mutex", "--groups", ""}, "contended\n", "xen"},
		{[]string{"patch", "--mode", ""}, "native\n", "bytelock"},
	} {
		got := finish(t, pvlock(t, append([]string{"__complete"}, tt.args...)...))
		if got.code != 0 || !strings.Contains(got.stdout, tt.want) ||
			strings.Contains(got.stdout, tt.not) {
			t.Errorf("%v: exit %d, %s", tt.args, got.code, got.stdout)
		}
	}
}

func TestEveryCommandHasHelpWithExamplesAndEveryFlagIsExplained(t *testing.T) {
	eachCommand(rootCommand(), func(c *cobra.Command) {
		if c.Hidden || c == c.Root() {
			return
		}
		if c.Short == "" || c.Long == "" || !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: has not a word, a text and an example", c.CommandPath())
		}
	})
}

func eachCommand(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, do)
	}
}

// Whatever is asked for is understood or refused. Nothing is run.
func FuzzCommandLine(f *testing.F) {
	for _, line := range []string{
		"", "bench --locks xen,tas --overcommit 1,2 --cs 100ns",
		"bench --spin 2^40 --steal forever", "bench mutex --all --match cs", "benc",
		"bench unlock --rounds x",
		"check --locks xen --client plain --cpus 2", "patch --mode=tas --patch=maybe",
		"doctor --interval 1ns", "report a b --html=-", "report compare a b --max-loss 5%",
		"report merge a -o -", "--help", "help bench", "completion bash", "bench -- x",
		"bench --json", "--nosuch\x00", "bench --overcommit 1e999,NaN",
	} {
		f.Add(strings.ReplaceAll(line, " ", "\n"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		root := rootCommand()
		eachCommand(root, func(c *cobra.Command) {
			c.PersistentPreRunE = nil
			if c.RunE != nil || c.Run != nil {
				c.Run, c.RunE = func(*cobra.Command, []string) {}, nil
			}
		})
		root.SetArgs(strings.Split(line, "\n"))
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		_ = root.Execute()
	})
}
