package explore

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type pair[T any] struct{ a, b T }

type shape interface{ area() int }
type square struct{ side int }
type cube struct{ side, sides int }

func (s square) area() int { return s.side * s.side }
func (c *cube) area() int  { return c.side * c.side * c.sides }

// What bodies may do, each with an assertion that holds.
func TestLanguage(t *testing.T) {
	var value atomic.Value
	var shared atomic.Pointer[pair[int]]
	var words [4]uint64
	var sink shape
	var any1 any
	text := "text"
	big := [64]byte{5: 1}
	for name, body := range map[string]func(){
		"new": func() {
			p := &pair[int]{1, 2}
			shared.Store(p)
			Assert(shared.Load().b == 2)
		},
		"make and append": func() {
			s := make([]int, 0, 1)
			for i := range 5 {
				s = append(s, i)
			}
			words[0] = uint64(len(s))
			Assert(s[4] == 4 && s[0] == 0)
		},
		"copy and clear": func() {
			s := make([]byte, 64)
			n := copy(s, big[:])
			Assert(n == 64 && s[5] == 1)
			clear(s)
			Assert(s[5] == 0)
		},
		"interfaces": func() {
			sink = &cube{2, 6}
			Assert(sink.area() == 24)
			sink = square{3}
			Assert(sink.area() == 9)
		},
		"type assertions": func() {
			any1 = words[1] + 300
			v, ok := any1.(uint64)
			Assert(ok && v == 300)
			_, ok = any1.(shape)
			Assert(!ok)
		},
		"type switch": func() {
			any1 = square{3}
			switch v := any1.(type) {
			case shape:
				Assert(v.area() == 9)
			default:
				Assert(false)
			}
		},
		"switch by table": func() {
			n := 0
			switch Choose(9) {
			case 0:
				n = 10
			case 1:
				n = 11
			case 2:
				n = 12
			case 3:
				n = 13
			case 4:
				n = 14
			case 5:
				n = 15
			case 6:
				n = 16
			case 7:
				n = 17
			case 8:
				n = 18
			}
			Assert(n >= 10 && n <= 18)
		},
		"Gosched": func() {
			runtime.Gosched()
			words[0]++
		},
		"defer": func() {
			n := 0
			func() {
				defer func() { n++ }()
				n++
			}()
			Assert(n == 2)
		},
		"recover without a panic": func() {
			func() {
				defer func() { Assert(recover() == nil) }()
				words[2]++
			}()
		},
		"atomic.Value": func() {
			value.Store("a")
			Assert(value.Load().(string) == "a")
		},
		"strings": func() {
			Assert(text == "text" && text[1:] == "ext")
		},
		"strings that are put together": func() {
			both := text + text[2:]
			Assert(both == "textxt" && both[5] == 't')
			b := []byte(both)
			b[0] = 'n'
			Assert(string(b) == "nextxt" && text+string(b)+both+text == "textnextxttextxttext")
		},
		"structs": func() {
			p := pair[[8]uint64]{a: [8]uint64{1}}
			q := p
			words[3] = q.a[0]
			Assert(q == p)
		},
		"floating point": func() {
			x := float64(words[3]) + 1.5
			Assert(x*2 >= 3)
		},
		"division": func() {
			n := int(words[3]) + 17
			d := int(words[2]) + 5
			Assert(n/d >= 0 && n%d < 5+int(words[2]))
		},
	} {
		t.Run(name, func(t *testing.T) { want(t, "", Config{}, body, func() { words[1] = 0 }) })
	}
}

var errTest = errors.New("an error")

func TestFindings(t *testing.T) {
	var p *pair[int]
	var s []int
	zero := 0
	var anything any = 1
	var flag uint32
	for _, tt := range []struct {
		name, kind, text string
		body             func()
	}{
		{"nil", "panic", "nil pointer dereference", func() { p.b++ }},
		{"index", "panic", "index", func() { s[zero]++ }},
		{"division", "panic", "divide", func() { zero = 1 / zero }},
		{"panic", "panic", "an error", func() { panic(errTest) }},
		{"type", "panic", "interface conversion", func() { s = anything.([]int) }},
		{"assertion", "assertion", "language_test.go", func() { Assert(Choose(3) < 2) }},
		{"a loop that waits for nobody", "livelock", "", func() {
			for atomic.LoadUint32(&flag) == 0 {
			}
		}},
		{"a private loop", "livelock", "", func() {
			for i := 0; i < 2; i &= 1 {
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := want(t, tt.kind, Config{}, tt.body)
			if !strings.Contains(r.Finding.Text, tt.text) {
				t.Errorf("%q does not say %q", r.Finding.Text, tt.text)
			}
		})
	}
}

// What can't be modelled is refused at once, by name and line.
func TestRefusals(t *testing.T) {
	c := make(chan int, 1)
	m := map[int]int{}
	pool := new(sync.Pool)
	syncMap := new(sync.Map)
	large, other := new([4096]byte), new([4096]byte)
	var when time.Time
	for _, tt := range []struct {
		name, text string
		body       func()
	}{
		{"send", "a channel", func() { c <- 1 }},
		{"receive", "a channel", func() { <-c }},
		{"close", "a channel", func() { close(c) }},
		{"make of a channel", "a channel", func() { c = make(chan int, one) }},
		{"select", "a channel", func() {
			select {
			case c <- 1:
			default:
			}
		}},
		{"select of two", "a channel", func() {
			select {
			case c <- 1:
			case <-c:
			}
		}},
		{"map", "a map", func() { m[1] = 2 }},
		{"read of a map", "a map", func() { one = m[1] }},
		{"range over a map", "a map", func() {
			for k := range m {
				one = k
			}
		}},
		{"make of a map", "a map", func() { m = make(map[int]int, 100*one) }},
		{"go", "a go statement", func() { go func() {}() }},
		{"sync.Pool", "sync.Pool", func() { pool.Put(new(int)) }},
		{"sync.Map", "sync.Map", func() { syncMap.Store(1, 2) }},
		{"sleep", "time", func() { time.Sleep(time.Second) }},
		{"now", "time", func() { when = time.Now() }},
		{"timer", "time", func() { time.AfterFunc(time.Second, func() {}) }},
		{"formatting", "formatting", func() { text1 = fmt.Sprint(one) }},
		{"printing", "printing", func() { println(one) }},
		{"files", "the operating system", func() { os.Getpid() }},
		{"the collector", "the garbage collector", func() { runtime.GC() }},
		{"reflection", "reflection", func() { one = reflect.ValueOf(someInt).NumMethod() }},
		{"Goexit", "runtime.Goexit", func() { runtime.Goexit() }},
		{"a defer in a loop over a function", "a defer in a loop over a function", func() {
			for i := range counting {
				defer func() { one = i }()
			}
		}},
		{"a copy by a string instruction", "MOVSQ", func() { *large = *other }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := want(t, "refused", Config{}, tt.body)
			if !strings.Contains(r.Refused, tt.text) ||
				!strings.Contains(r.Refused, "language_test.go:") {
				t.Errorf("%q names neither %q nor a line of this file", r.Refused, tt.text)
			}
		})
	}
	_ = when
}

var text1 string

//go:noinline
func counting(yield func(int) bool) {
	for i := range one + 1 {
		if !yield(i) {
			return
		}
	}
}
