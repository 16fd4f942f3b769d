package sim

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"
)

// same is the hash of what some runs give, as written. It changes with the model and the locks' text, and with nothing else: not with
// the architecture, nor the day.
const same = "ae7344d0de72c0e7"

func TestTheSameBytesOnAnyMachine(t *testing.T) {
	h := sha256.New()
	for _, lock := range []string{"xen", "pvqspin", "qspin"} {
		cfg := cell(t, lock)
		cfg.Scheduler, cfg.VMs, cfg.Sockets, cfg.Timeline = Fair, []VM{{VCPUs: 7}, {VCPUs: 3}}, 2, 100*time.Microsecond
		cfg.Spin = ptr(uint32(50))
		h.Write(bytesOf(t, cfg))
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)[:8]); got != same {
		t.Errorf("the runs' hash is %s, not %s", got, same)
	}
}
