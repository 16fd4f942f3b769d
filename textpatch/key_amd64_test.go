//go:build linux && !purego

package textpatch

import (
	"strings"
	"testing"
)

var traced int

//go:noinline
func trace(what int) { traced += what }

//go:noinline
func tracing() bool { return traced < 0 }

//go:noinline
func work() {
	trace(1)
	if tracing() {
		traced += 100
	}
}

func TestAKeySwitchesWhatItsHookDoes(t *testing.T) {
	hook, err := NewKey(trace)
	check(t, err)
	asked, err := NewKey(tracing)
	check(t, err)
	t.Cleanup(func() { check(t, hook.Set(true), asked.Set(false)) })
	for _, c := range []struct {
		hook, asked bool
		want        int
	}{{false, false, 0}, {false, true, 100}, {true, true, 101}, {true, false, 1}, {true, false, 1}, {false, false, 0}} {
		check(t, hook.Set(c.hook), asked.Set(c.asked))
		traced = 0
		if work(); traced != c.want || hook.On() != c.hook || asked.On() != c.asked {
			t.Errorf("%+v: traced %d", c, traced)
		}
	}
}

func TestOnlyAHookCanHaveAKey(t *testing.T) {
	for _, c := range []struct {
		hook any
		want string
	}{
		{nil, "not of a <nil>"},
		{7, "not of a int"},
		{bigConstant, "not a func() uint64"},
		{func() { panic("never called") }, "no calls"},
	} {
		if k, err := NewKey(c.hook); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T: %v, %v; want %q", c.hook, k, err, c.want)
		}
	}
}
