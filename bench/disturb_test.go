package bench

import (
	"strings"
	"testing"
	"time"

	"example.com/pvlock/result"
)

func TestDisturbancesAreSeenAndSmallOnesAreNot(t *testing.T) {
	const window = time.Second
	at := time.Now()
	quiet := func() (before, after *surroundings) {
		before = &surroundings{at: at, cpus: []int{0, 1}, busy: time.Hour, own: time.Minute,
			known: true}
		after = &surroundings{at: at.Add(window), cpus: []int{0, 1}, busy: time.Hour + 2*window,
			own: time.Minute + 2*window, known: true}
		return before, after
	}
	for _, tt := range []struct {
		name   string
		change func(before, after *surroundings)
		window time.Duration
		want   string
		amount float64
	}{
		{"nothing", nil, window, "", 0},
		{"a window a little longer", nil, window + window/20, "", 0},
		{"a process that was stopped", nil, window + 2*time.Second, result.DisturbedOverrun, 2},
		{"a CPU that is gone", func(_, a *surroundings) { a.cpus = []int{1} }, window,
			result.DisturbedCPUs, 1},
		{"a CPU more", func(_, a *surroundings) { a.cpus = []int{0, 1, 2} }, window,
			result.DisturbedCPUs, 3},
		{"a few ticks of others", func(_, a *surroundings) { a.own -= 100 * time.Millisecond },
			window, "", 0},
		{"others", func(_, a *surroundings) { a.own -= window }, window, result.DisturbedOthers,
			0.5},
		{"others, where it isn't told",
			func(_, a *surroundings) { a.own -= window; a.known = false }, window, "", 0},
		{"CPUs that idle", func(_, a *surroundings) { a.own -= window; a.busy -= window }, window,
			"", 0},
	} {
		before, after := quiet()
		if tt.change != nil {
			tt.change(before, after)
		}
		got := disturbances(before, after, window, tt.window, 2)
		switch {
		case tt.want == "" && got == nil:
		case len(got) != 1 || got[0].Kind != tt.want || got[0].Amount != tt.amount ||
			got[0].Text == "":
			t.Errorf("%s: %+v, want %q, %v", tt.name, got, tt.want, tt.amount)
		}
	}
}

// On a machine that is never quiet everything is marked, and the bench takes a bounded time longer.
func TestDisturbedRunsAreMadeAgainSoOftenAtMost(t *testing.T) {
	cfg := short(t, OnThreads)
	cfg.Locks, cfg.Overcommit, cfg.Rounds, cfg.Duration = []string{"tas"}, []float64{1}, 12,
		time.Millisecond
	restless := 0
	cfg.around = func([]int) *surroundings {
		restless++
		return &surroundings{at: time.Now(), cpus: []int{restless}}
	}
	b, err := Run(t.Context(), cfg, []string{"test"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	repeats := 0
	for i := range b.Runs {
		repeats += b.Runs[i].Repeats
		if b.Runs[i].Disturbed == nil || b.Runs[i].Repeats > repeatsEach {
			t.Errorf("round %d: %+v, %d repeats", b.Runs[i].Round, b.Runs[i].Disturbed,
				b.Runs[i].Repeats)
		}
	}
	if len(b.Runs) != 12 || repeats != 3 {
		t.Errorf("%d runs, %d repeats; want 12, 3", len(b.Runs), repeats)
	}
	var out strings.Builder
	if err := WriteTable(&out, b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" !", "Disturbed: tas with", "And 2 more runs were disturbed.",
		"12 of 12 runs were disturbed; 3 were made again for that."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table doesn't say %q:\n%s", want, &out)
		}
	}
}

func TestTheLongestWaitIsThatOfAllRounds(t *testing.T) {
	r := result.Rounds{
		Runs: []*result.Run{{Latency: result.Latency{Max: 3}}, {Latency: result.Latency{Max: 9}},
			{Latency: result.Latency{Max: 4}}}}
	if got := r.Max(func(r *result.Run) float64 { return float64(r.Latency.Max) }); got != 9 {
		t.Errorf("%v, want 9", got)
	}
}
