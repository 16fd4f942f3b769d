package sim

import (
	"context"
	"fmt"
	"math/big"

	"example.com/pvlock/internal/twin/paravirt"
	"example.com/pvlock/internal/twin/workload"
	"example.com/pvlock/result"
)

// Run simulates one cell. The run's Cell, Series, Setting and plot values that are about the sweep
// are the caller's to fill in. A lock that doesn't exclude is an error.
func Run(ctx context.Context, cfg Config) (result.SimRun, *result.Timeline, error) {
	if err := cfg.Check(); err != nil {
		return result.SimRun{}, nil, err
	}
	e, err := newEngine(ctx, &cfg)
	if err != nil {
		return result.SimRun{}, nil, fmt.Errorf("sim: %w", err)
	}
	e.run()
	if e.err != nil {
		return result.SimRun{}, nil, fmt.Errorf("sim: %s: %w", cfg.Lock.Name, e.err)
	}
	for _, v := range e.vms {
		for _, t := range v.tasks {
			if n := t.client.Violations.Value(); n > 0 {
				return result.SimRun{}, nil, fmt.Errorf("sim: %s: CPU %d of VM %d was not alone "+
					"%d times", cfg.Lock.Name, t.num, v.id, n)
			}
		}
	}
	r := e.meter.result(e)
	var tl *result.Timeline
	if e.rec != nil {
		tl = e.rec.timeline(e, e.now)
	}
	return r, tl, nil
}

// meter measures: between the end of the warm-up and the end.
type meter struct {
	actor                 int32
	warm, half, end       int64
	at                    int // which of them is next
	before, middle, after reading
}

// reading is what the counters say at some time.
type reading struct {
	took     []uint64 // acquisitions of each task
	waits    []uint64
	counters [paravirt.NumEvents]uint64
	rounds   [paravirt.HistBuckets]uint64
	cpu      int64 // CPU time of the measured VMs
	spun     int64 // of it spent spinning
}

func (e *engine) buildMeasurement() {
	m := &e.meter
	m.warm = e.cfg.Warmup.Nanoseconds()
	m.half = m.warm + e.cfg.Duration.Nanoseconds()/2
	m.end = m.warm + e.cfg.Duration.Nanoseconds()
	m.actor = e.actor(func() { e.measure() })
}

// startRecording comes before anything runs: what never changes is recorded too.
func (e *engine) startRecording() {
	if d := e.cfg.Timeline.Nanoseconds(); d > 0 {
		e.rec = &recorder{from: max(e.meter.end-d, 0), pcpus: e.cfg.PCPUs}
		e.rec.tracks = make([]track, e.cfg.PCPUs+len(e.tasks)-int(e.tasks0))
	}
}

func (e *engine) armMeasurement() {
	e.queue.set(e.meter.actor, e.meter.warm)
}

func (e *engine) measure() {
	m := &e.meter
	switch m.at {
	case 0:
		m.before = e.read0()
		e.queue.set(m.actor, m.half)
	case 1:
		m.middle = e.read0()
		e.queue.set(m.actor, m.end)
	case 2:
		m.after = e.read0()
		// Waits that are under way: a lock that stalls shows in them alone.
		for _, v := range e.vms {
			for _, t := range v.tasks {
				if t.phase == workload.Locking && t.entered < e.now {
					m.after.waits[workload.Bucket(uint64(e.now-t.entered))]++
				}
			}
		}
		e.over = true
	}
	m.at++
}

// read0 reads the counters.
func (e *engine) read0() reading {
	r := reading{waits: make([]uint64, workload.Buckets)}
	for _, v := range e.vms {
		for _, u := range v.vcpus {
			r.cpu += u.ran
			if u.state == running {
				r.cpu += e.now - u.since
			}
		}
		for _, t := range v.tasks {
			r.took = append(r.took, t.client.Acquisitions.Value())
			for b := range r.waits {
				r.waits[b] += t.client.Waits[b].Value()
			}
			r.spun += t.spun
			if t.spin.on && t.unit.state == running && t.unit.seat.on {
				r.spun += max(e.now-t.spunFrom, 0)
			}
			s := t.pv.Stats()
			for i := range r.counters {
				r.counters[i] += s.Events[i].Value()
			}
			for i := range r.rounds {
				r.rounds[i] += s.Rounds[i].Value()
			}
		}
	}
	return r
}

func (m *meter) result(e *engine) result.SimRun {
	cfg := e.cfg
	r := result.SimRun{
		Lock: cfg.Lock.Name, Scheduler: string(cfg.Scheduler), Setting: map[string]string{},
		PCPUs: cfg.PCPUs, VMs: len(cfg.VMs), Background: cfg.Background,
		CSNanos: cfg.Critical.Nanoseconds(), NCSNanos: cfg.Think.Nanoseconds(),
		Nanos: m.end - m.warm, Events: e.events,
		Counters: make(map[string]uint64), SpinRounds: make([]uint64, paravirt.HistBuckets),
		Values: make(map[string]float64),
	}
	for _, v := range cfg.VMs {
		r.VCPUs += v.VCPUs
	}
	shares := make([]uint64, len(m.after.took))
	late := uint64(0)
	for i := range shares {
		shares[i] = m.after.took[i] - m.before.took[i]
		r.Acquisitions += shares[i]
		late += m.after.took[i] - m.middle.took[i]
	}
	r.Stalled = late == 0
	for i := range m.after.counters {
		r.Counters[paravirt.Event(i).String()] = m.after.counters[i] - m.before.counters[i]
	}
	for i := range r.SpinRounds {
		r.SpinRounds[i] = m.after.rounds[i] - m.before.rounds[i]
	}
	r.Contended, r.Blocked = r.Counters[paravirt.Contended.String()],
		r.Counters[paravirt.Blocked.String()]
	waits := m.after.waits
	for b := range waits {
		waits[b] -= m.before.waits[b]
	}
	r.Latency, _ = result.NewLatency(waits, workload.Bounds, uint64(r.CSNanos+r.NCSNanos))

	cpu, spun := m.after.cpu-m.before.cpu, m.after.spun-m.before.spun
	r.Values["overcommit"] = ratio(int64(r.VCPUs+r.Background), int64(r.PCPUs))
	r.Values["ops_per_s"] = ratio(int64(r.Acquisitions)*1e9, r.Nanos)
	r.Values["jain"] = jain(shares)
	r.Values["cpu_per_op_ns"] = ratio(cpu, int64(r.Acquisitions))
	r.Values["cpu_share"] = ratio(cpu, r.Nanos*int64(r.PCPUs))
	r.Values["spin_share"] = ratio(spun, cpu)
	r.Values["within_budget"] = 1
	if r.Contended > 0 {
		r.Values["within_budget"] = ratio(int64(r.Contended-r.Blocked), int64(r.Contended))
	}
	r.Values["events_per_acquisition"] = ratio(int64(r.Events), int64(sum(m.after.took)))
	return r
}

func sum(xs []uint64) (total uint64) {
	for _, x := range xs {
		total += x
	}
	return total
}

// ratio divides two integers: one rounding, the same everywhere. It is 0 if the second is.
func ratio(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	x, _ := new(big.Rat).SetFrac64(a, b).Float64()
	return x
}

// jain is [result.Jain], computed in integers, so that it is the same on architectures that fuse a
// multiplication and an addition.
func jain(shares []uint64) float64 {
	var sum, squares big.Int
	for _, x := range shares {
		n := new(big.Int).SetUint64(x)
		sum.Add(&sum, n)
		squares.Add(&squares, n.Mul(n, n))
	}
	if squares.Sign() == 0 {
		return 0
	}
	squares.Mul(&squares, big.NewInt(int64(len(shares))))
	x, _ := new(big.Rat).SetFrac(sum.Mul(&sum, &sum), &squares).Float64()
	return x
}
