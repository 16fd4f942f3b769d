package check

import (
	"context"
	"fmt"
	"os"
	"testing"

	"example.com/pvlock/internal/twin/spinlock"
)

func TestMatrix(t *testing.T) {
	if os.Getenv("MATRIX") == "" {
		t.Skip()
	}
	for _, k := range spinlock.Kinds() {
		if k.LosesWakeups || k.Name == "pvqspin2015" || (os.Getenv("LOCK") != "" && os.Getenv("LOCK") != k.Name) {
			continue
		}
		for _, c := range []Config{
			{Client: Plain(2, 3), CPUs: 2, Spin: AnySpin},
			{Client: Nested(2, 1), CPUs: 2, Spin: 0, Interrupts: 1},
			{Client: Nested(2, 2), CPUs: 2, Spin: 0, Interrupts: 1},
			{Client: Nested(2, 3), CPUs: 2, Spin: AnySpin, Interrupts: 1},
			{Client: Plain(3, 1), CPUs: 3, Spin: 0},
			{Client: Plain(3, 1), CPUs: 3, Spin: AnySpin},
			{Client: Nested(3, 1), CPUs: 3, Spin: AnySpin, Interrupts: 1},
		} {
			if os.Getenv("CLIENT") != "" && os.Getenv("CLIENT") != c.Client.Name {
				continue
			}
			c.Lock = k
			c.Spurious = true
			c.States = 60_000_000
			if os.Getenv("SPIN") != "" {
				fmt.Sscan(os.Getenv("SPIN"), &c.Spin)
			}
			r, err := Run(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s %s: %d states %d trans %d places depth %d complete %v %s %.2fs", r.Lock, r.Client, r.States, r.Transitions, r.Places, r.Depth, r.Complete, r.Bound, r.Seconds)
			if r.Finding != nil {
				t.Log(r.Finding.Kind, r.Finding.Text)
			}
			if r.Finding != nil && os.Getenv("SHOW") != "" {
				r.Finding.Print(os.Stdout)
			}
		}
	}
}
