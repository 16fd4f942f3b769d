package explore

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// The zero values are variables, so that the compiler does not know them.
var (
	noPair  *pair[int]
	noSlice []int
	noFunc  func()
	zero    int
	someInt any = 1
	one         = 1
)

//go:noinline
func protect(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

//go:noinline
func recoverIndirectly() any { return recover() }

// counts has a named result that deferred calls change.
//
//go:noinline
func counts(f func()) (n int) {
	defer func() { n += 100 }()
	defer func() {
		if recover() != nil {
			n += 10
		}
	}()
	n = 1
	f()
	n = 2
	return n
}

//go:noinline
func loops(n int, f func()) (sum int) {
	for i := range n {
		defer func() {
			recover()
			sum = 10*sum + i
		}()
	}
	f()
	return 0
}

// many has more deferred calls than a frame has places for.
//
//go:noinline
func many(f func()) (n int) {
	add := func() { n++ }
	defer add()
	defer add()
	defer add()
	defer add()
	defer add()
	defer add()
	defer add()
	defer add()
	if zero == 0 {
		defer add()
	}
	defer func() { recover() }()
	f()
	return 50
}

type closer struct{ n int }

func (c *closer) Close() {
	if recover() != nil {
		c.n++
	}
}

//go:noinline
func closes(c *closer, f func()) {
	defer c.Close()
	f()
}

// What recover, and a function that recovers, do.
var panicking = map[string]func(){
	"explicit": func() {
		v := protect(func() { panic(errTest) })
		Assert(v == errTest)
	},
	"nil pointer": func() {
		v := protect(func() { noPair.b++ })
		_, ok := v.(runtime.Error)
		Assert(ok)
	},
	"index":    func() { Assert(isRuntimeError(protect(func() { noSlice[zero]++ }))) },
	"slice":    func() { Assert(isRuntimeError(protect(func() { noSlice = noSlice[one:] }))) },
	"division": func() { Assert(isRuntimeError(protect(func() { one = one / zero }))) },
	"make": func() {
		Assert(isRuntimeError(protect(func() { noSlice = make([]int, zero-1) })))
	},
	"type": func() { Assert(isRuntimeError(protect(func() { noSlice = someInt.([]int) }))) },
	"interface": func() {
		Assert(isRuntimeError(protect(func() { one = someInt.(shape).area() })))
	},
	"nil function": func() { Assert(isRuntimeError(protect(func() { noFunc() }))) },
	"deferred nil function": func() {
		Assert(isRuntimeError(protect(func() { defer noFunc() })))
	},
	"panic(nil)": func() {
		_, ok := protect(func() { panic(nil) }).(*runtime.PanicNilError)
		Assert(ok)
	},
	"named results": func() {
		Assert(counts(func() {}) == 102)
		Assert(counts(func() { panic(1) }) == 111)
	},
	"a loop's": func() {
		Assert(loops(3, func() {}) == 210)
		Assert(loops(3, func() { panic(1) }) == 210)
	},
	"more than a frame holds": func() {
		Assert(many(func() {}) == 59)
		Assert(many(func() { panic(1) }) == 9)
	},
	"a method's": func() {
		var c closer
		closes(&c, func() { panic(1) })
		closes(&c, func() {})
		Assert(c.n == 1)
	},
	"not called directly": func() {
		Assert(protect(func() {
			defer func() { recoverIndirectly() }()
			panic(1)
		}) != nil)
		Assert(protect(func() {
			defer func() { func() { recover() }() }()
			panic(1)
		}) != nil)
	},
	"a second recover": func() {
		protect(func() {
			defer func() {
				Assert(recover() != nil)
				Assert(recover() == nil)
			}()
			panic(1)
		})
	},
	"a new panic in a deferred call": func() {
		Assert(protect(func() {
			defer func() { panic(2) }()
			panic(1)
		}) == 2)
	},
	"a panic again": func() {
		n := 0
		Assert(protect(func() {
			defer func() { n++ }()
			defer func() {
				n += 10
				panic(recover())
			}()
			panic(7)
		}) == 7)
		Assert(n == 11)
	},
	"a panic within a deferred call that goes on": func() {
		n := 0
		Assert(protect(func() {
			defer func() {
				Assert(protect(func() { panic(2) }) == 2)
				n++
			}()
			panic(1)
		}) == 1)
		Assert(n == 1)
	},
	"through frames without deferred calls": func() {
		Assert(protect(func() { through(5) }) == 5)
	},
	"a lock that is unlocked": func() {
		var mu sync.Mutex
		protect(func() {
			mu.Lock()
			defer mu.Unlock()
			panic(1)
		})
		Assert(mu.TryLock())
	},
}

func isRuntimeError(v any) bool {
	_, ok := v.(runtime.Error)
	return ok
}

//go:noinline
func through(n int) {
	if n == 0 {
		panic(5)
	}
	through(n - 1)
	one++
}

// Each runs natively first, so that what is asserted is what Go does. Then a state is taken at each
// access, with and without poison in what is held to be dead.
func TestPanics(t *testing.T) {
	for name, body := range panicking {
		t.Run(name, func(t *testing.T) {
			body()
			want(t, "", Config{}, body, func() { sink++ })
			plain := Run(Config{Without: Facts}, body)
			poisoned := Run(Config{Without: Facts, Poison: 0xdeadbeefcafef00d}, body)
			if plain.Finding != nil || !plain.Complete || poisoned.States != plain.States {
				t.Errorf("with poison: %s\nwithout: %s", poisoned, plain)
			}
		})
	}
}

// A recovered panic leaves a lock held that is not unlocked by a deferred call.
func TestPanicLeavesLockHeld(t *testing.T) {
	for _, tt := range []struct {
		name     string
		deferred bool
		want     string
	}{{"deferred", true, ""}, {"not deferred", false, "deadlock"}} {
		t.Run(tt.name, func(t *testing.T) {
			var mu sync.Mutex
			n := 0
			body := func() {
				protect(func() {
					mu.Lock()
					if tt.deferred {
						defer mu.Unlock()
					}
					n++
					if n == 1 {
						panic(errTest)
					}
					if !tt.deferred {
						mu.Unlock()
					}
				})
			}
			want(t, tt.want, Config{Final: func() { Assert(n == 2) }}, body, body)
		})
	}
}

// Faults in how panics are handled, each of which is found and said where.
func TestPanicFindings(t *testing.T) {
	var flag atomic.Uint32
	for _, tt := range []struct {
		name, kind, text string
		body             func()
	}{
		{"nobody recovers", "panic", "an error at explore/panic_test.go", func() {
			defer func() { flag.Store(1) }()
			panic(errTest)
		}},
		{"what the deferred call has raised", "panic",
			"index out of range [0] with length 0 at explore/panic_test.go", func() {
				defer func() { one = noSlice[zero] }()
				panic(errTest)
			}},
		{"recover is not called by a deferred call", "panic", "5 at explore/panic_test.go", func() {
			recover()
			panic(5)
		}},
		{"a deferred call sees what was half done", "assertion", "explore/panic_test.go", func() {
			n := 0
			defer func() {
				recover()
				Assert(n == 0)
			}()
			n = 1
			noPair.a = 1
			n = 0
		}},
		{"a deferred call that waits", "livelock", "", func() {
			defer func() {
				for flag.Load() == 0 {
				}
			}()
			panic(errTest)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := want(t, tt.kind, Config{}, tt.body)
			if r.Finding != nil && !strings.Contains(r.Finding.Text, tt.text) {
				t.Errorf("%q does not say %q", r.Finding.Text, tt.text)
			}
		})
	}
}
