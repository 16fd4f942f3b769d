package host

import (
	"encoding/json"
	"testing"
)

func TestAFactIsAnObjectWithOneKey(t *testing.T) {
	for want, f := range map[string]Fact[float64]{
		`{"value":0}`:                        Is(0.0),
		`{"value":1.5}`:                      Is(1.5),
		`{"unknown":"it is gone"}`:           UnknownFact[float64]("it is %s", "gone"),
		`{"unknown":"nobody has looked"}`:    {},
		`{"not_told":"an emulator says no"}`: NotToldFact[float64]("an emulator says no"),
	} {
		text, err := json.Marshal(f)
		if err != nil || string(text) != want {
			t.Errorf("%s, %v; want %s", text, err, want)
		}
		var back Fact[float64]
		if err := json.Unmarshal(text, &back); err != nil || back.String() != f.String() ||
			back.State() != f.State() {
			t.Errorf("%s is read as %+v, %v", text, back, err)
		}
	}
	for _, bad := range []string{`{}`, `{"value":1,"unknown":"x"}`,
		`{"unknown":"x","not_told":"y"}`, `3`} {
		if err := json.Unmarshal([]byte(bad), new(Fact[float64])); err == nil {
			t.Errorf("%s is a fact", bad)
		}
	}
}

func TestAPlaceholderIsNoValue(t *testing.T) {
	for _, f := range []Fact[int]{{}, UnknownFact[int]("x"), NotToldFact[int]("x")} {
		if n, ok := f.Get(); ok || n != 0 || f.Or(7) != 7 ||
			Of(f, func(int) string { return "seen" }).State() != f.State() {
			t.Errorf("%+v", f)
		}
	}
}
