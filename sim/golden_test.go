package sim

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

// same is the hash of what some runs give. It changes with the model and the locks' text, and with
// nothing else: not with the architecture, nor the day.
const same = "67e1757aa81fc7ec"

func TestTheSameBytesOnAnyMachine(t *testing.T) {
	h := sha256.New()
	for _, lock := range []string{"xen", "pvqspin", "qspin"} {
		cfg := cell(t, lock)
		cfg.Scheduler, cfg.VMs, cfg.Sockets, cfg.Timeline = Fair, []VM{{VCPUs: 7},
			{VCPUs: 3}}, 2, 100*time.Microsecond
		cfg.Spin = ptr(uint32(50))
		r, tl, err := Run(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(h, r.Acquisitions, r.Events, r.Latency, r.Counters, r.SpinRounds,
			r.Values["jain"], tl.Tracks, tl.Flows)
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)[:8]); got != same {
		t.Errorf("the runs' hash is %s, not %s", got, same)
	}
}
