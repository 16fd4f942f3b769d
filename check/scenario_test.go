package check

import (
	"context"
	"os"
	"testing"
)

func explore(t *testing.T, c Config) *Result {
	t.Helper()
	r, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %s (%s) %s: %d states, depth %d, %.2fs %s", r.Lock, r.Client, r.Model, r.Change,
		r.States, r.Depth, r.Seconds, r.Bound)
	return r
}

// Each fault of the locks' history is found, as what it is, and is gone where it was
// mended.
func TestScenarios(t *testing.T) {
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			r := explore(t, s.Config)
			switch {
			case s.Want == "":
				clean(t, r)
			case r.Finding == nil:
				t.Errorf("nothing found, want %s", s.Want)
			case r.Finding.Kind != s.Want:
				t.Errorf("found %s (%s), want %s", r.Finding.Kind, r.Finding.Text, s.Want)
			case os.Getenv("SHOW") != "":
				_ = PrintFinding(os.Stdout, r.Finding)
			}
			for _, c := range s.Clean {
				clean(t, explore(t, c))
			}
		})
	}
}

func clean(t *testing.T, r *Result) {
	t.Helper()
	if r.Finding != nil {
		_ = PrintFinding(os.Stdout, r.Finding)
		t.Fatalf("%s, %s: found %s", r.Lock, r.Client, r.Finding.Kind)
	}
	if !r.Complete {
		t.Fatalf("%s, %s: not complete: %s", r.Lock, r.Client, r.Bound)
	}
}
