package mutex

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/pvlock/internal/arch"
	"example.com/pvlock/result"
)

// The two mutexes are driven by the same text.
func TestDriversAreTheSame(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, text, ok := strings.Cut(string(b), "Mutexes []struct {")
		if !ok {
			t.Fatalf("%s has no mutexes", name)
		}
		return text
	}
	ours := read("drive_pvlock.go")
	ours = strings.NewReplacer("pvlockMutexes", "syncMutexes", "newPvlock", "newSync",
		"pvlock.Mutex", "sync.Mutex").Replace(ours)
	if ours != read("drive_sync.go") {
		t.Error("drive_sync.go is not drive_pvlock.go with sync.Mutex in place of pvlock.Mutex")
	}
}

func TestCellsOfEveryGroupRun(t *testing.T) {
	cfg := Config{Duration: time.Millisecond, Rounds: 1, Hog: func() (func(), error) {
		return func() {}, nil
	}}
	r, err := Execute(context.Background(), cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Violated() {
		t.Error("a mutex did not exclude")
	}
	for _, c := range r.Cells {
		if len(c.Runs) != len(kinds) {
			t.Errorf("%s %s: %d runs, want %d", c.Group, c.Name, len(c.Runs), len(kinds))
		}
	}
	var text, doc bytes.Buffer
	if err := WriteTable(&text, r); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(&doc); err != nil {
		t.Fatal(err)
	}
	var back result.Mutexes
	if err := json.Unmarshal(doc.Bytes(), &back); err != nil || len(back.Cells) != len(r.Cells) {
		t.Errorf("the JSON has %d cells, want %d: %v", len(back.Cells), len(r.Cells), err)
	}
}

// Collections take no more than a quarter of what they take with sync.Mutex, however many
// goroutines sleep whose stacks were deep once (go.dev/issue/81957). Beside other processes the
// time says little: PVLOCK_IDLE says that there are none. (That each sleeps on a semaphore of its
// own is tested in internal/arch, without a clock.)
func TestCollectionsWithManyAsleep(t *testing.T) {
	if os.Getenv("PVLOCK_IDLE") == "" {
		t.Skip("needs an idle machine, and some minutes: PVLOCK_IDLE=1 says that it is one")
	}
	r, err := Execute(context.Background(),
		Config{Groups: []string{Collections}, All: true, Duration: time.Millisecond, Rounds: 3},
		nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Cells {
		c := &r.Cells[i]
		ratio := c.Ratio(result.MutexPvlock, nanos)
		t.Logf("%s: sync's collections take %.1f ms each, ours %.3f of that", c.Name,
			c.Median(result.MutexSync, nanos)/1e6, ratio)
		if ratio > 0.25 {
			t.Errorf("%s: %.3f of sync's time, want a quarter at most", c.Name, ratio)
		}
	}
}

// unlocked is a mutex that does not exclude.
type unlocked struct{ pvlockMutexes }

func (u unlocked) contend(w *worker) {
	x := &u.pvlockMutexes[0]
	for !w.stopped() {
		x.first++
		w.ops.Add(2)
	}
}

// The check of exclusion catches a mutex that loses updates.
func TestLostUpdatesAreFound(t *testing.T) {
	if arch.Race {
		t.Skip("the race detector finds it first")
	}
	c := result.MutexCell{Group: Contended, Procs: 2, Goroutines: 2, Mutexes: 1}
	w := measure(&c, func(n int) mutexes { return unlocked{make(pvlockMutexes, n)} },
		time.Millisecond, false, nil)
	if w.lost == 0 {
		t.Error("nothing found wrong with a mutex that does not exclude")
	}
}

// A run that is interrupted keeps what it has.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	r, err := Execute(ctx,
		Config{Groups: []string{Alone}, Duration: time.Millisecond, Rounds: 1000}, nil,
		func(Progress) {
			if n++; n == 4 {
				cancel()
			}
		})
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	for _, c := range r.Cells {
		runs += len(c.Runs)
	}
	if want := 3 * len(kinds); runs != want {
		t.Errorf("%d runs before the interrupt, want %d", runs, want)
	}
	if err := WriteTable(new(bytes.Buffer), r); err != nil {
		t.Error(err)
	}
}

func TestBadConfigurations(t *testing.T) {
	for want, cfg := range map[string]Config{
		"unknown group":  {Duration: time.Second, Rounds: 1, Groups: []string{"x"}},
		"--rounds 0":     {Duration: time.Second},
		"--duration":     {Rounds: 1},
		"no cell's name": {Duration: time.Second, Rounds: 1, Match: "?"},
	} {
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
