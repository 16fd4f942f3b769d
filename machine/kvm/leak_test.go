//go:build linux && amd64 && !purego && !race

package kvm_test

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/pvlock/machine"
	"example.com/pvlock/machine/kvm"
	"example.com/pvlock/paravirt"
)

// footprint is what a machine could leave behind.
type footprint struct {
	threads, descriptors int
	mapped               uint64 // bytes, but for the Go heap and reserved addresses
}

func look(t *testing.T) (f footprint) {
	t.Helper()
	for dir, n := range map[string]*int{"/proc/self/task": &f.threads,
		"/proc/self/fd": &f.descriptors} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		*n = len(entries)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		bounds, perm, _ := strings.Cut(line, " ")
		lo, hi, _ := strings.Cut(bounds, "-")
		from, err := strconv.ParseUint(lo, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		to, err := strconv.ParseUint(hi, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		heap := from%(4<<20) == 0 && (to-from)%(4<<20) == 0
		if perm[0] == 'r' && !heap {
			f.mapped += to - from
		}
	}
	return f
}

// Machines that end well, that fault and that are stopped, a hundred of them.
func TestAHundredMachinesLeaveNothingBehind(t *testing.T) {
	const vcpus = 4
	one := func(i int) {
		m := newMachine(t, vcpus)
		s := new(scratch)
		switch i % 3 {
		case 0:
			if _, err := m.Run(func() {}, func(*paravirt.CPU) {}); err != nil {
				t.Fatal(err)
			}
		case 1:
			if _, err := m.Run(func() {}, func(*paravirt.CPU) { indexes(s) }); err == nil {
				t.Fatal("no fault")
			}
		case 2:
			if _, err := m.Run(func() { go m.Stop() }, func(c *paravirt.CPU) {
				for {
					c.Wait(s.cell.Byte(0), 0)
				}
			}); err == nil {
				t.Fatal("not stopped")
			}
		}
	}
	// The runtime keeps threads, and memory for them, for the next time.
	for i := range 20 {
		one(i)
	}
	runtime.GC()
	before := look(t)
	const machines = 100
	for i := range machines {
		one(i)
	}
	runtime.GC()
	after := look(t)
	t.Logf("before %+v, after %+v", before, after)
	if after.descriptors > before.descriptors {
		t.Errorf("%d descriptors before, %d after", before.descriptors, after.descriptors)
	}
	// The runtime may have made a thread or two for itself. A machine that leaked one would have
	// left a hundred.
	if after.threads > before.threads+machines/10 {
		t.Errorf("%d threads before, %d after", before.threads, after.threads)
	}
	if after.mapped > before.mapped+machines/10*vcpus*(64<<10) {
		t.Errorf("%d kB mapped before, %d kB after", before.mapped>>10, after.mapped>>10)
	}
}

// BenchmarkBringUp is how long a machine takes until its bodies begin, and until it is gone.
func BenchmarkBringUp(b *testing.B) {
	if err := kvm.Probe(); err != nil {
		b.Skip(err)
	}
	for _, n := range []int{1, 8, 64} {
		b.Run(strconv.Itoa(n)+"vcpus", func(b *testing.B) {
			var up, worst time.Duration
			for b.Loop() {
				began := time.Now()
				m, err := kvm.New(machine.Config{VCPUs: n, HostCPUs: []int{0}})
				if err != nil {
					b.Fatal(err)
				}
				var took time.Duration
				if _, err := m.Run(func() { took = time.Since(began) },
					func(*paravirt.CPU) {}); err != nil {
					b.Fatal(err)
				}
				up += took
				worst = max(worst, took)
			}
			b.ReportMetric(float64(up.Microseconds())/1000/float64(b.N), "ms/up")
			b.ReportMetric(float64(worst.Microseconds())/1000, "ms/up-worst")
		})
	}
}
