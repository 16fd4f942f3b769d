package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.com/pvlock/check"
	"example.com/pvlock/result"
	"example.com/pvlock/torture"
)

// odd are values that somebody who wants to break a flag would think of.
var odd = []string{
	"", " ", ",", "0", "-0", "-1", "1", "2", "3.5", "-0.5", "1e9", "1e308", "1e-308", "NaN", "Inf",
	"-Inf", "0x10", "2^16", "2^64", "1_000",
	"127", "128", "1024", "65536", "2147483647", "2147483648", "-2147483648", "4294967296",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615",
	"0s", "-1ns", "1ns", "1ms", "1h", "2562047h47m16.854775807s", "2562048h", "-1h", "1d", "1ms1ms",
	"1,1", "1,2,1", "xen,xen", "xen,", ",xen", "xen, xen", "XEN", "all", "all,all", "1/1", "0/1",
	"2/1", "1/0", "1/99999999", "-1/-1", "1/2/3",
	"true", "false", "maybe", "-", "--", "\x00", "\n", "é", "%s%n", strings.Repeat("9", 400),
	strings.Repeat("x,", 400),
}

// argument are what commands need besides flags.
func arguments(t *testing.T) map[string][]string {
	one, two := file(t, "one.json", smallBench(1)), file(t, "two.json", smallBench(1))
	return map[string][]string{
		"pvlock report": {one}, "pvlock report compare": {one, two},
		"pvlock report merge": {file(t, "shard.json", shard(1, 1))},
		// "stop" would start the command once more.
		"pvlock torture": {"--torments", "trylock"},
	}
}

// runnable returns the commands that can be run in this process: not what patches it.
func runnable(c *cobra.Command) (all []*cobra.Command) {
	if c.Runnable() && !c.Hidden && c.Name() != "patch" && c.Name() != "help" {
		all = append(all, c)
	}
	for _, sub := range c.Commands() {
		all = append(all, runnable(sub)...)
	}
	return all
}

// Every flag of every command takes every odd value, or says in a line why not. The command is
// interrupted before it begins, so that what it takes costs nothing. There are thousands of pairs:
// a few seconds' worth is drawn, and PVLOCK_FLAGS=all takes all of them.
func TestEveryFlagTakesAnOddValueOrSaysWhyNot(t *testing.T) {
	t.Chdir(t.TempDir())
	arguments := arguments(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var lines [][]string
	for _, c := range runnable(rootCommand()) {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			for _, value := range odd {
				lines = append(lines,
					slices.Concat(strings.Fields(c.CommandPath())[1:], arguments[c.CommandPath()],
						[]string{"--" + f.Name + "=" + value}))
			}
		})
	}
	rand.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	accepted := 0
	for began, i := time.Now(), 0; i < len(lines) &&
		(i < 100 || time.Since(began) < 3*time.Second || os.Getenv("PVLOCK_FLAGS") == "all"); i++ {
		args, began := lines[i], time.Now()
		err := quietly(ctx, args)
		if took := time.Since(began); took > time.Second {
			t.Logf("%q took %v", args, took)
		}
		switch code := exitCode(err); {
		case code == exitFinding:
			t.Errorf("%q: a finding: %v", args, err)
		case code == exitUsage &&
			(len(message(err)) < 10 || strings.ContainsAny(message(err), "\n\x00")):
			t.Errorf("%q: %q is no line that says what is wrong", args, message(err))
		case code != exitUsage:
			accepted++
		}
	}
	if accepted == 0 {
		t.Error("no value was taken: the commands don't get to them")
	}
}

// quietly runs a command in this process.
func quietly(ctx context.Context, args []string) error {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(new(bytes.Buffer))
	root.SetErr(new(bytes.Buffer))
	return root.ExecuteContext(ctx)
}

// What a flag gives more of, or less, changes how much is explored, and never whether a lock is
// right.
func TestNoFlagMakesTheCheckerSayWhatIsNotSo(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, uint64(time.Now().UnixNano())))
	pick := func(values ...int) int { return values[rng.IntN(len(values))] }
	ran := 0
	for began := time.Now(); ran < 10 || time.Since(began) < time.Second; {
		o := check.Options{
			Locks: []string{[]string{"tas", "xen", "xen2008"}[rng.IntN(3)]}, Client: "plain",
			CPUs: pick(-1, 0, 1, 2, 2, 2, 5), Times: pick(-1, 0, 1, 2, 2, 9),
			Interrupts: pick(-1, 0, 0, 0, 1), Spin: []string{"0", "1", "any", "2"}[rng.IntN(4)],
			Buffer: pick(-1, 0, 1, 4, 4, 8, 9), Workers: pick(-1, 0, 1, 3, 1<<20),
			States: int64(pick(-1, 0, 1, 500)), MemoryMB: int64(pick(-1, 0, 1, 64, 1<<40)),
			Timeout: time.Duration(pick(-1, 0, 1, 1e8)),
		}
		if o.States == 0 && o.Timeout == 0 {
			o.States = 2000
		}
		var out bytes.Buffer
		r, err := check.Main(t.Context(), o, &out)
		if err != nil {
			continue // it was refused
		}
		ran++
		x := r.Runs[0]
		switch {
		case x.Lock != "xen2008" && x.Finding != nil:
			t.Errorf("%+v: a lock that is right was found to have %s", o, x.Finding.Kind)
		case x.Lock == "xen2008" && o.CPUs > 1 && o.Spin != "1" && x.Complete:
			t.Errorf("%+v: a lock that loses wake-ups is said to be clean", o)
		case x.Complete && x.States < int64(o.CPUs):
			t.Errorf("%+v: complete after %d states", o, x.States)
		case o.Buffer < 0 || o.Workers < 0 || o.States < 0 || o.MemoryMB < 0 || o.Timeout < 0 ||
			o.CPUs < 1 || o.Times < 1:
			t.Errorf("%+v was not refused", o)
		}
	}
}

// A control is caught or left out, whatever else was asked for; a lock that is right shows nothing.
func TestNoFlagMakesTortureSayWhatIsNotSo(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, uint64(time.Now().UnixNano())))
	for range 2 {
		torment := torture.Torments()[rng.IntN(len(torture.Torments()))]
		if torment == "stop" {
			continue
		}
		args := []string{"torture", "--on", "goroutines", "--locks", "busted,clingy,tas",
			"--duration", "20ms", "--torments", torment,
			"--cs", fmt.Sprint(time.Duration(rng.IntN(100)) * time.Microsecond), "--ncs",
			fmt.Sprint(time.Duration(rng.IntN(1000)) * time.Microsecond),
			"--overcommit", fmt.Sprint(1 + rng.IntN(3)), "--patience", "30s", "--json", "-"}
		root, out := rootCommand(), new(bytes.Buffer)
		root.SetArgs(args)
		root.SetOut(out)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%q: %v", args, err)
		}
		r, err := result.ReadTorture(out)
		if err != nil {
			t.Fatal(err)
		}
		if clingy := slices.ContainsFunc(r.Runs,
			func(r result.TortureRun) bool {
				return r.Lock == "clingy"
			}); clingy != (torment == "reuse") {
			t.Errorf("%q: clingy was tortured: %v", args, clingy)
		}
	}
}

func TestAFlagThatHasNoPartIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"--cpus: want it with --client": {"check", "--cpus", "3"},
		"--interrupts: want it with --client": {"check", "--locks", "tas",
			"--interrupts", "1"},
		"--locks with --scenario: want one of the two": {"check", "--scenario", "all", "--locks",
			"tas"},
		"--client with --necessity: want one of the two": {"check", "--necessity", "--client",
			"plain"},
		"has no handler for interrupts": {"check", "--client", "plain", "--interrupts", "1"},
		"all and other scenarios":       {"check", "--scenario", "all,xen2008-fence"},
		"--locks: tas is given twice":   {"bench", "--locks", "tas,xen,tas"},
		"are both 2 vCPUs":              {"bench", "--cpus", "1", "--overcommit", "2,2.25"},
		"--json: an empty value":        {"bench", "--json", ""},
		"--torments: an empty value":    {"torture", "--torments", ""},
		"a control that shows nothing without": {"torture", "--locks", "clingy", "--torments",
			"gc"},
		"-1 workers: want 1 to 1024":  {"check", "--workers", "-1"},
		"--memory 0: want at least 1": {"check", "--memory", "0"},
	} {
		if err := quietly(t.Context(), args); exitCode(err) != exitUsage ||
			!strings.Contains(message(err), want) {
			t.Errorf("%q: %v; want %q", args, err, want)
		}
	}
}
