package torture

import (
	"testing"

	"golang.org/x/sys/unix"
)

// checkAffinity reports threads that may not run where the process's first thread may.
func checkAffinity(t *testing.T) {
	t.Helper()
	var whole unix.CPUSet
	all, _ := threads()
	for i, tid := range all {
		var set unix.CPUSet
		if unix.SchedGetaffinity(tid, &set) != nil {
			continue // it has ended
		}
		if i == 0 {
			whole = set
		}
		if set != whole {
			t.Errorf("thread %d may use %d CPUs, the first one %d", tid, set.Count(), whole.Count())
		}
	}
}
