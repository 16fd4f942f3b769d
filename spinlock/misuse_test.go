//go:build pvlockdebug

package spinlock_test

import (
	"strings"
	"testing"

	"example.com/pvlock/internal/chanmachine"
	"example.com/pvlock/spinlock"
)

// Built with pvlockdebug, an Unlock of a lock that isn't held ends the program and says so.
func TestUnlockOfUnlockedIsFatal(t *testing.T) {
	for _, k := range spinlock.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			if inside("TestUnlockOfUnlockedIsFatal$/^" + k.Name) {
				m := machine(t, 1, k, k.Tunables, chanmachine.Options{})
				w := new(spinlock.Word)
				k.Lock(w, m.CPU(0))
				k.Unlock(w, m.CPU(0))
				k.Unlock(w, m.CPU(0))
				return
			}
			if inside("") {
				out, code := subprocess(t, "TestUnlockOfUnlockedIsFatal$/^"+k.Name)
				if code != 2 || !strings.Contains(out, "fatal error: pvlock: unlock of unlocked ") {
					t.Errorf("exit %d:\n%s", code, out)
				}
			}
		})
	}
}
