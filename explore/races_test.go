package explore

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestRaces(t *testing.T) {
	var value, flag int32
	var mu sync.Mutex
	var ready atomic.Bool
	for _, tt := range []struct {
		name string
		want string
		one  func()
		two  func()
	}{
		{"a plain flag", "data race",
			func() { value = 1; flag = 1 },
			func() {
				if flag == 1 {
					Assert(value == 1)
				}
			}},
		{"an atomic flag", "",
			func() { value = 1; ready.Store(true) },
			func() {
				if ready.Load() {
					Assert(value == 1)
				}
			}},
		{"an atomic flag by functions", "",
			func() {
				value = 1
				atomic.StoreInt32(&flag, 1)
			},
			func() {
				if atomic.LoadInt32(&flag) == 1 {
					Assert(value == 1)
				}
			}},
		{"the value after the flag", "data race",
			func() { ready.Store(true); value = 1 },
			func() {
				if ready.Load() {
					_ = value
					Assert(value >= 0)
				}
			}},
		{"a mutex", "",
			func() { mu.Lock(); value++; mu.Unlock() },
			func() { mu.Lock(); value++; mu.Unlock() }},
		{"a mutex by one side alone", "data race",
			func() { mu.Lock(); value++; mu.Unlock() },
			func() { value++ }},
		{"atomic against plain", "data race",
			func() { atomic.AddInt32(&value, 1) },
			func() { value++ }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := want(t, tt.want,
				Config{Races: true, Names: map[string]any{"value": &value, "flag": &flag}}, tt.one,
				tt.two)
			if tt.want != "" && strings.Count(r.Finding.Text, "races_test.go:") != 2 {
				t.Errorf("want both places: %s", r.Finding.Text)
			}
		})
	}
}
