// Package metrics shows how lock counters get into monitoring: in Prometheus' text format, by an
// http.Handler of a page, and through expvar. A program imports no client library for it.
//
// There are two kinds of sources: the observers of pvlock.Mutex, and the counters of a
// paravirt.Machine whose Config says Stats. Both count slow paths alone, and both only ever grow
// while they last, which is what a counter is to Prometheus.
package metrics

import (
	"bufio"
	"expvar"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"example.com/pvlock"
	"example.com/pvlock/paravirt"
)

// A Registry is the sources, by name. Its zero value has none; it is an http.Handler.
type Registry struct {
	mu       sync.Mutex
	mutexes  map[string][]*pvlock.MutexObserver
	machines map[string]*paravirt.Machine
}

// Mutex adds a mutex, or several that are counted as one: the shards of a cache. The observers stay
// the caller's to stop.
func (r *Registry) Mutex(name string, observers ...*pvlock.MutexObserver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mutexes == nil {
		r.mutexes = make(map[string][]*pvlock.MutexObserver)
	}
	r.mutexes[name] = append(r.mutexes[name], observers...)
}

// Machine adds the locks of a machine. They are counted together: a lock of four bytes has no room
// for counters.
func (r *Registry) Machine(name string, m *paravirt.Machine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.machines == nil {
		r.machines = make(map[string]*paravirt.Machine)
	}
	r.machines[name] = m
}

// A counter is a metric that has one value for each label.
type counter struct {
	name, help, label string
	values            []labelled
}

type labelled struct {
	label string
	value float64
}

// mutexCounters are what an observer has, in the order in which they are written.
var mutexCounters = []struct {
	name, help string
	of         func(c pvlock.MutexCounts) float64
}{
	{"contended", "Acquisitions that had to wait, or to look twice.",
		func(c pvlock.MutexCounts) float64 { return float64(c.Contended) }},
	{"slept", "Waits that slept.", func(c pvlock.MutexCounts) float64 { return float64(c.Slept) }},
	{"handed_over", "Acquisitions of a mutex that was reserved for the one who waited.",
		func(c pvlock.MutexCounts) float64 { return float64(c.HandedOver) }},
	{"gave_up", "Waits that a context ended.", func(c pvlock.MutexCounts) float64 {
		return float64(c.GaveUp)
	}},
	{"woken", "Waiters woken.", func(c pvlock.MutexCounts) float64 { return float64(c.Woken) }},
	{"waited_seconds", "Time spent waiting.", func(c pvlock.MutexCounts) float64 {
		return c.Waited.Seconds()
	}},
}

// counters reads all sources.
func (r *Registry) counters() (all []counter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range mutexCounters {
		c := counter{name: "pvlock_mutex_" + m.name + "_total", help: m.help, label: "mutex"}
		for _, name := range slices.Sorted(maps.Keys(r.mutexes)) {
			sum := 0.0
			for _, o := range r.mutexes[name] {
				sum += m.of(o.Counts())
			}
			c.values = append(c.values, labelled{name, sum})
		}
		all = append(all, c)
	}
	// Linux's counters, under their names there.
	for e := range paravirt.NumEvents {
		c := counter{name: "pvlock_" + e.String() + "_total",
			help: "What package paravirt counts under this name.", label: "machine"}
		for _, name := range slices.Sorted(maps.Keys(r.machines)) {
			c.values = append(c.values,
				labelled{name,
					sum(r.machines[name], func(s *paravirt.Stats) float64 {
						return float64(s.Events[e].Value())
					})})
		}
		all = append(all, c)
	}
	for _, t := range []struct {
		name, help string
		of         func(s *paravirt.Stats) uint64
	}{
		{"spinning", "Time of contended acquisitions, awake.", func(s *paravirt.Stats) uint64 {
			return s.TimeSpinning.Value()
		}},
		{"blocked", "Time of contended acquisitions, asleep.", func(s *paravirt.Stats) uint64 {
			return s.TimeBlocked.Value()
		}},
	} {
		c := counter{name: "pvlock_" + t.name + "_seconds_total", help: t.help, label: "machine"}
		for _, name := range slices.Sorted(maps.Keys(r.machines)) {
			c.values = append(c.values,
				labelled{name,
					sum(r.machines[name], func(s *paravirt.Stats) float64 {
						return float64(t.of(s)) / 1e9
					})})
		}
		all = append(all, c)
	}
	return all
}

// sum adds up what the machine's CPUs have counted.
func sum(m *paravirt.Machine, of func(s *paravirt.Stats) float64) (total float64) {
	for i := range m.CPUs() {
		if s := m.CPU(i).Stats(); s != nil {
			total += of(s)
		}
	}
	return total
}

// waits are the bounds of the histogram of waits, as powers of two of a nanosecond: 64 ns to 17 s.
const firstWait, lastWait = 6, 34

// WriteTo writes all metrics in Prometheus' text format, version 0.0.4.
func (r *Registry) WriteTo(to io.Writer) (int64, error) {
	n := &counted{w: to}
	w := bufio.NewWriter(n)
	for _, c := range r.counters() {
		if len(c.values) == 0 {
			continue
		}
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s counter\n", c.name, c.help, c.name)
		for _, v := range c.values {
			fmt.Fprintf(w, "%s{%s=%s} %v\n", c.name, c.label, quote(v.label), v.value)
		}
	}
	r.writeWaits(w)
	err := w.Flush()
	return n.n, err
}

// writeWaits writes how long contended acquisitions took, as a histogram: paravirt's buckets are
// powers of two, and so are these.
func (r *Registry) writeWaits(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.machines) == 0 {
		return
	}
	const name = "pvlock_wait_seconds"
	fmt.Fprintf(w,
		"# HELP %s Contended acquisitions, from the fast path's failure to the lock.\n# TYPE %s "+
			"histogram\n", name, name)
	for _, machine := range slices.Sorted(maps.Keys(r.machines)) {
		m, label := r.machines[machine], quote(machine)
		cumulated := 0.0
		for bucket := range paravirt.HistBuckets {
			cumulated += sum(m, func(s *paravirt.Stats) float64 {
				return float64(s.Total[bucket].Value())
			})
			if bucket >= firstWait && bucket <= lastWait {
				// Bucket i holds what is less than 2^i ns.
				fmt.Fprintf(w, "%s_bucket{machine=%s,le=\"%g\"} %v\n", name, label,
					float64(uint64(1)<<bucket)/1e9, cumulated)
			}
		}
		fmt.Fprintf(w, "%s_bucket{machine=%s,le=\"+Inf\"} %v\n", name, label, cumulated)
		fmt.Fprintf(w, "%s_sum{machine=%s} %v\n", name, label,
			sum(m, func(s *paravirt.Stats) float64 { return float64(s.TimeTotal.Value()) / 1e9 }))
		fmt.Fprintf(w, "%s_count{machine=%s} %v\n", name, label, cumulated)
	}
}

// quote writes a label's value as the format has it, which knows three escapes.
func quote(label string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(label) + `"`
}

type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// ServeHTTP answers a scrape.
func (r *Registry) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	// An error is the scraper's that went away: there is nobody to tell.
	_, _ = r.WriteTo(w)
}

// Var returns the counters as an expvar.Var: an object by metric, of an object by name.
//
//	expvar.Publish("pvlock", registry.Var())
func (r *Registry) Var() expvar.Var {
	return expvar.Func(func() any {
		metrics := make(map[string]map[string]float64)
		for _, c := range r.counters() {
			for _, v := range c.values {
				if metrics[c.name] == nil {
					metrics[c.name] = make(map[string]float64)
				}
				metrics[c.name][v.label] = v.value
			}
		}
		return metrics
	})
}
