package check

import (
	"context"
	"os"
	"testing"

	"example.com/pvlock/internal/twin/spinlock"
)

func kind(t testing.TB, name string) spinlock.Kind {
	for _, k := range spinlock.Kinds() {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("no lock %q", name)
	return spinlock.Kind{}
}

func TestTry(t *testing.T) {
	for _, k := range spinlock.Kinds() {
		r, err := Run(context.Background(), Config{Lock: k, Client: Plain(2, 2), CPUs: 2, Spin: AnySpin, Spurious: true, States: 5_000_000})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s %s: %d states %d trans %d places depth %d complete %v %s %.2fs", r.Lock, r.Client, r.States, r.Transitions, r.Places, r.Depth, r.Complete, r.Bound, r.Seconds)
		if r.Finding != nil && os.Getenv("SHOW") != "" {
			r.Finding.Print(os.Stdout)
		}
	}
}
