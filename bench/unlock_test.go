package bench

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"example.com/pvlock/textpatch"
)

func TestEachWayToUnlockIsMeasured(t *testing.T) {
	u, err := RunUnlocks(context.Background(), UnlockConfig{Rounds: 3, Pairs: 1000})
	if err != nil {
		t.Fatal(err)
	}
	want := 4
	if textpatch.Supported && !textpatch.Bodies {
		want = len(unlockWays)
	}
	if len(u.Ways) != want || (u.NoPatch == "") != (want == len(unlockWays)) {
		t.Errorf("%d ways, want %d; not patched because %q", len(u.Ways), want, u.NoPatch)
	}
	for _, w := range u.Ways {
		if w.PairNS <= 0 || w.PairToDirect <= 0 {
			t.Errorf("%+v", w)
		}
	}
	var text bytes.Buffer
	if err := WriteUnlockTable(&text, u); err != nil ||
		!strings.Contains(text.String(), "3 interleaved rounds") {
		t.Errorf("%v\n%s", err, &text)
	}
	for _, bad := range []UnlockConfig{{Rounds: 0, Pairs: 1000}, {Rounds: 1, Pairs: 10}} {
		if _, err := RunUnlocks(context.Background(), bad); err == nil {
			t.Errorf("%+v was measured", bad)
		}
	}
}
