package bench

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/pvlock/paravirt"
	"example.com/pvlock/result"
	"example.com/pvlock/spinlock"
	"example.com/pvlock/textpatch"
)

// UnlockConfig says how long to measure.
type UnlockConfig struct {
	// Rounds is how often each way has its turn, Pairs how often a turn releases the lock.
	Rounds, Pairs int
}

// Check returns an error if that can't be measured.
func (cfg UnlockConfig) Check() error {
	if cfg.Rounds < 1 || cfg.Rounds > maxRounds {
		return fmt.Errorf("%d rounds: want 1 to %d", cfg.Rounds, maxRounds)
	}
	if cfg.Pairs < 1000 || cfg.Pairs > 1e9 {
		return fmt.Errorf("%d pairs: want 1000 to 1000000000", cfg.Pairs)
	}
	return nil
}

// RunUnlocks measures all ways, interleaved round by round, on one thread.
func RunUnlocks(ctx context.Context, cfg UnlockConfig) (*result.Unlocks, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	m, err := paravirt.New(
		paravirt.Config{CPUs: 1, Channel: paravirt.ChannelOps{Poll: func(*paravirt.CPU) {}}})
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	out := &result.Unlocks{Schema: result.SchemaUnlock, Go: runtime.Version()}
	ways := slices.Clone(unlockWays)
	patches, err := patchUnlocks(ways)
	if err != nil {
		out.NoPatch = err.Error()
		ways = slices.DeleteFunc(ways, func(w unlockWay) bool { return w.patched })
		patches = make([]textpatch.Patch, len(ways))
	}
	counter, err := countInstructions()
	if err != nil {
		out.NoCounts = err.Error()
	}
	defer counter.close()

	l, c := new(spinlock.Queued), m.CPU(0)
	pairs, releases, ratios := make([][]float64, len(ways)), make([][]float64,
		len(ways)), make([][]float64, len(ways))
	counts := make([]float64, len(ways))
	for range cfg.Rounds {
		if out.Interrupted = ctx.Err() != nil; out.Interrupted {
			break
		}
		base := timed(holdOnly, cfg.Pairs, l, c)
		*l = spinlock.Queued{}
		for i, w := range ways {
			if err := patches[i].Apply(textpatch.Quiet); err != nil {
				return nil, err
			}
			before := counter.read()
			pairs[i] = append(pairs[i], timed(w.pair, cfg.Pairs, l, c))
			counts[i] = float64(counter.read()-before) / float64(cfg.Pairs)
			releases[i] = append(releases[i], timed(w.release, cfg.Pairs, l, c)-base)
			if err := patches[i].Undo(textpatch.Quiet); err != nil {
				return nil, err
			}
			ratios[i] = append(ratios[i], pairs[i][out.Rounds]/pairs[0][out.Rounds])
		}
		out.Rounds++
	}
	if out.Rounds == 0 {
		return nil, fmt.Errorf("before the first round's end: %w", ctx.Err())
	}
	for i, w := range ways {
		way := result.UnlockWay{Name: w.name, PairNS: median(pairs[i]),
			UnlockNS: median(releases[i]), PairToDirect: median(ratios[i]), Instructions: counts[i]}
		way.CallerBytes, way.CallerStack = callerCost(reflect.ValueOf(w.site).Pointer())
		out.Ways = append(out.Ways, way)
	}
	return out, nil
}

// patchUnlocks makes the patches of the ways that are patched; the others' are empty.
func patchUnlocks(ways []unlockWay) ([]textpatch.Patch, error) {
	patches := make([]textpatch.Patch, len(ways))
	for i, w := range ways {
		if !w.patched {
			continue
		}
		sites, _, err := textpatch.Calls(textpatch.Entry(w.called))
		if err != nil {
			return nil, err
		}
		if len(sites) == 0 {
			return nil, fmt.Errorf("the text has no call of %s",
				runtime.FuncForPC(textpatch.Entry(w.called)).Name())
		}
		for _, s := range sites {
			if w.store && unlockMayBeStore {
				err = patches[i].StoreZero(s)
			} else {
				err = patches[i].Call(s, codeOfUnlock(w.direct))
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return patches, nil
}

func timed(f loop, n int, l *spinlock.Queued, c *paravirt.CPU) float64 {
	began := time.Now()
	f(n, l, c)
	return float64(time.Since(began).Nanoseconds()) / float64(n)
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// callerCost returns the size of a function, and how many of its instructions go to the stack; 0
// where it can't be disassembled.
func callerCost(entry uintptr) (size, stack int) {
	for at := entry; ; {
		lines, err := textpatch.Disassemble(at, 1)
		if err != nil {
			return 0, 0
		}
		if f := runtime.FuncForPC(at); f == nil || f.Entry() != entry ||
			strings.HasPrefix(lines[0].Text, "INT") {
			return size, stack
		}
		if strings.HasPrefix(lines[0].Text, "MOV") && strings.Contains(lines[0].Text, "(SP)") {
			stack++
		}
		size += len(lines[0].Code)
		at += uintptr(len(lines[0].Code))
	}
}

// WriteUnlockTable writes it for people.
func WriteUnlockTable(out io.Writer, u *result.Unlocks) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w,
		"lock+unlock\tto direct\tunlock alone\tinstructions\tcaller's bytes\tof it, stack moves\t")
	for _, x := range u.Ways {
		count := "?"
		if x.Instructions > 0 {
			count = fmt.Sprintf("%.1f", x.Instructions)
		}
		fmt.Fprintf(w, "%.2f ns\t%.3f\t%.2f ns\t%s\t%d\t%d\t  %s\n", x.PairNS, x.PairToDirect,
			x.UnlockNS, count, x.CallerBytes, x.CallerStack, x.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out,
		"\nMedians of %d interleaved rounds, on one thread, nobody else wants the lock.\n",
		u.Rounds)
	if s := u.Ending.String(); s != "" {
		fmt.Fprintln(out, s)
	}
	if u.NoPatch != "" {
		fmt.Fprintf(out, "Not patched: %s\n", u.NoPatch)
	}
	if u.NoCounts != "" {
		fmt.Fprintf(out, "Instructions are not counted: %s\n", u.NoCounts)
	}
	return nil
}
