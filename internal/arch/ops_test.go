package arch

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// model is a Word as it must behave: bits.
type model uint32

func (m *model) set(i, width uint, v uint32) uint32 {
	mask := model(1<<width - 1)
	old := *m >> (i * width) & mask
	*m = *m&^(mask<<(i*width)) | model(v)&mask<<(i*width)
	return uint32(old)
}

// Every operation of every width does what the model does, and leaves its neighbours alone.
func TestOperationsAgreeWithTheModel(t *testing.T) {
	var c Core
	r := rand.New(rand.NewPCG(1, 2))
	ws := new([3]Word)
	w, m := &ws[1], model(0)
	for step := range 200000 {
		i := uint(r.IntN(4))
		h := i / 2
		v, d := r.Uint32(), r.Uint32()
		if r.IntN(3) == 0 {
			d = uint32(m) // so that comparisons succeed
			d = d >> (i * 8)
		}
		var got, want uint32
		op := r.IntN(17)
		switch op {
		case 0:
			c.Store8(w.Byte(uintptr(i)), uint8(v))
			m.set(i, 8, v)
		case 1:
			c.Store16(w.Half(uintptr(h)), uint16(v))
			m.set(h, 16, v)
		case 2:
			c.Store32(w.Whole(), v)
			m = model(v)
		case 3:
			got, want = uint32(c.Xchg8(w.Byte(uintptr(i)), uint8(v))), m.set(i, 8, v)
		case 4:
			got, want = uint32(c.Xchg16(w.Half(uintptr(h)), uint16(v))), m.set(h, 16, v)
		case 5:
			got, want = c.Xchg32(w.Whole(), v), uint32(m)
			m = model(v)
		case 6:
			got = uint32(c.Cmpxchg8(w.Byte(uintptr(i)), uint8(d), uint8(v)))
			if want = uint32(m) >> (i * 8) & 0xff; want == d&0xff {
				m.set(i, 8, v)
			}
		case 7:
			d = uint32(m) >> (h * 16) &^ uint32(r.IntN(2))
			got = uint32(c.Cmpxchg16(w.Half(uintptr(h)), uint16(d), uint16(v)))
			if want = uint32(m) >> (h * 16) & 0xffff; want == d&0xffff {
				m.set(h, 16, v)
			}
		case 8:
			d = uint32(m) &^ uint32(r.IntN(2))
			ok := c.Cas32(w.Whole(), d, v)
			if ok != (d == uint32(m)) {
				t.Fatalf("Cas32(%#x, %#x) on %#x: %v", d, v, m, ok)
			}
			if ok {
				m = model(v)
			}
		case 9:
			m.set(i, 8, uint32(m)>>(i*8)+d)
			got, want = uint32(c.Add8(w.Byte(uintptr(i)), uint8(d))), uint32(m)>>(i*8)&0xff
		case 10:
			m.set(h, 16, uint32(m)>>(h*16)+d)
			got, want = uint32(c.Add16(w.Half(uintptr(h)), uint16(d))), uint32(m)>>(h*16)&0xffff
		case 11:
			m += model(d)
			got, want = c.Add32(w.Whole(), d), uint32(m)
		case 12:
			c.Or32(w.Whole(), d)
			m |= model(d)
		case 13:
			c.And32(w.Whole(), d)
			m &= model(d)
		case 14:
			got, want = uint32(c.Load8(w.Byte(uintptr(i)))), uint32(m)>>(i*8)&0xff
		case 15:
			got, want = uint32(c.Load16(w.Half(uintptr(h)))), uint32(m)>>(h*16)&0xffff
		case 16:
			c.Fence()
		}
		if got != want || c.Load32(w.Whole()) != uint32(m) {
			t.Fatalf("step %d, operation %d, place %d: returned %#x, want %#x; word %#x, want %#x",
				step, op, i, got, want, c.Load32(w.Whole()), m)
		}
		if ws[0].v|ws[2].v != 0 {
			t.Fatalf("step %d: operation %d wrote next to its word", step, op)
		}
	}
}

func TestPointers(t *testing.T) {
	var c Core
	var p Ptr
	a, b := ^Addr(0), Addr(5)
	if c.CasPtr(&p, a, b) || c.LoadPtr(&p) != 0 {
		t.Error("CasPtr stored though the old value differs")
	}
	c.StorePtr(&p, a)
	if c.LoadPtr(&p) != a || !c.CasPtr(&p, a, b) || c.LoadPtr(&p) != b {
		t.Error("StorePtr or CasPtr lost bits")
	}
}

// Read-modify-writes of neighbours in one word lose nothing to each other.
func TestConcurrentSums(t *testing.T) {
	guarded = 0
	const times = 20000
	var w Word // byte 0: Add8. byte 1: Cmpxchg8. half 1: Add16 and, from another, Cmpxchg16
	var x, y Word
	var all sync.WaitGroup
	for range 2 {
		for _, f := range []func(c Core){
			func(c Core) { c.Add8(w.Byte(0), 1) },
			func(c Core) {
				for v := c.Load8(w.Byte(1)); ; {
					is := c.Cmpxchg8(w.Byte(1), v, v+1)
					if is == v {
						return
					}
					v = is
				}
			},
			func(c Core) { c.Add16(w.Half(1), 1) },
			func(c Core) {
				for v := c.Load16(w.Half(1)); ; {
					is := c.Cmpxchg16(w.Half(1), v, v+1)
					if is == v {
						return
					}
					v = is
				}
			},
			func(c Core) { c.Add32(x.Whole(), 1) },
			func(c Core) {
				for v := c.Load32(x.Whole()); !c.Cas32(x.Whole(), v, v+1); v = c.Load32(x.Whole()) {
				}
			},
			func(c Core) {
				// A lock of one byte, by exchange: it guards a plain sum.
				for c.Xchg8(y.Byte(2), 1) != 0 {
					c.Pause()
				}
				guarded++
				c.Store8(y.Byte(2), 0)
			},
		} {
			all.Go(func() {
				for range times {
					f(Core{})
				}
			})
		}
	}
	all.Wait()
	var c Core
	n := uint32(2 * times)
	if got := uint32(c.Load8(w.Byte(0))); got != n&0xff {
		t.Errorf("Add8: %d, want %d", got, n&0xff)
	}
	if got := uint32(c.Load8(w.Byte(1))); got != n&0xff {
		t.Errorf("Cmpxchg8: %d, want %d", got, n&0xff)
	}
	if got := uint32(c.Load16(w.Half(1))); got != 2*n&0xffff {
		t.Errorf("Add16 and Cmpxchg16: %d, want %d", got, 2*n&0xffff)
	}
	if got := c.Load32(x.Whole()); got != 2*n {
		t.Errorf("Add32 and Cas32: %d, want %d", got, 2*n)
	}
	if guarded != int(n) || c.Load32(y.Whole()) != 0 {
		t.Errorf("under a lock by Xchg8: %d, want %d; its word is %#x", guarded, n,
			c.Load32(y.Whole()))
	}
}

var guarded int

func TestSpinWhile(t *testing.T) {
	var c Core
	for _, tt := range []struct {
		name               string
		is, mask, value, n uint32
		wantV, wantRounds  uint32
	}{
		{"n of 0 doesn't look", 7, 0xff, 3, 0, 3, 0},
		{"gives up after n", 3, 0xff, 3, 9, 3, 9},
		{"one round if it differs at once", 7, 0xff, 3, 9, 7, 1},
		{"looks at the mask alone", 0x13, 0x0f, 0x03, 5, 0x13, 5},
		{"returns all it saw", 0x17, 0x0f, 0x03, 5, 0x17, 1},
		{"forever ends when it differs", 7, 0xff, 3, Forever, 7, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w Word
			c.Store32(w.Whole(), tt.is)
			v8, r8 := c.SpinWhile8(w.Byte(0), uint8(tt.mask), uint8(tt.value), tt.n)
			v16, r16 := c.SpinWhile16(w.Half(0), uint16(tt.mask), uint16(tt.value), tt.n)
			v32, r32 := c.SpinWhile32(w.Whole(), tt.mask, tt.value, tt.n)
			for _, got := range [][2]uint32{{uint32(v8), r8}, {uint32(v16), r16}, {v32, r32}} {
				if got != [2]uint32{tt.wantV, tt.wantRounds} {
					t.Errorf("%d after %d rounds, want %d after %d", got[0], got[1], tt.wantV,
						tt.wantRounds)
				}
			}
		})
	}
}
