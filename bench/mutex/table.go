package mutex

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"example.com/pvlock/result"
)

// Write writes the result as JSON.
func (r *Result) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "\t")
	return enc.Encode(r)
}

// Violated reports whether a mutex did not exclude.
func (r *Result) Violated() bool {
	for _, c := range r.Cells {
		for _, run := range c.Runs {
			if run.Violations != 0 {
				return true
			}
		}
	}
	return false
}

// median returns the median of what of says of a mutex's runs, NaN if there are none.
func (m *Measured) median(mutex string, of func(*Run) float64) float64 {
	var values []float64
	for i := range m.Runs {
		if m.Runs[i].Mutex == mutex {
			values = append(values, of(&m.Runs[i]))
		}
	}
	if len(values) == 0 {
		return math.NaN()
	}
	return result.Median(values)
}

func (m *Measured) ratio(mutex string, of func(*Run) float64) float64 {
	return m.median(mutex, of) / m.median(Sync, of)
}

func nanos(r *Run) float64 { return r.NanosPerOp }
func cpu(r *Run) float64   { return r.CPUPerOp }
func jain(r *Run) float64  { return r.Jain }
func p999(r *Run) float64  { return float64(r.Waits.P999) }
func worst(r *Run) float64 { return float64(r.Waits.Max) }

// floor returns what of sync's time the cell's work alone takes, spread over as many CPUs as can share in it: no mutex is
// faster. It is NaN where that isn't known.
func (m *Measured) floor(cpus int) float64 {
	if m.Group != Contended && m.Group != Procs {
		return math.NaN()
	}
	inside, all := float64(m.Critical.Nanoseconds()), float64((m.Critical + m.Think).Nanoseconds())
	if m.Mutexes > 1 {
		inside /= float64(m.Mutexes)
	}
	work := max(inside, all/float64(min(m.Goroutines, m.Procs, cpus)))
	// Some ns of work are done while the CPU waits for the mutex's cache line.
	return min(1, work/m.median(Sync, nanos))
}

// WriteTable writes the result for people: medians over the rounds; those of pvlock and of the control as
// ratios to sync's, below 1 is better (Jain's index: above). The floor is that of a mutex that costs nothing.
func WriteTable(w io.Writer, r *Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tsync\tpvlock/sync\tcontrol\tfloor\tCPU\tcontrol\tp99.9\tcontrol\tmax\tcontrol\tJain\tpvlock\t ")
	fmt.Fprintln(t, "\tns/op\ttime\t\t\ttime\t\tsync, µs\tratio\t\tratio\t\tsync\t\t ")
	type mean struct{ time, control, floor, cpu, cpuControl, n float64 }
	var order []string
	means := make(map[string]*mean)
	for i := range r.Cells {
		m := &r.Cells[i]
		time := m.ratio(Pvlock, nanos)
		if m.median(Sync, nanos) == 0 || !(m.median(Control, nanos) > 0 && time > 0) {
			// Not measured, or with nothing to show for it: too short a time for so busy a machine.
			continue
		}
		if means[m.Group] == nil {
			means[m.Group] = new(mean)
			order = append(order, m.Group)
		}
		g := means[m.Group]
		g.time += math.Log(time)
		g.control += math.Log(m.ratio(Control, nanos))
		floor := m.floor(r.Host.CPUs)
		g.floor += math.Log(floor)
		g.cpu += math.Log(m.ratio(Pvlock, cpu))
		g.cpuControl += math.Log(m.ratio(Control, cpu))
		g.n++
		fmt.Fprintf(t, "%s  %s\t%.1f\t%.2f\t%.2f\t%s\t%.2f\t%.2f\t", m.Group, m.Name, m.median(Sync, nanos), time, m.ratio(Control, nanos), known("%.2f", floor),
			m.ratio(Pvlock, cpu), m.ratio(Control, cpu))
		if m.median(Sync, p999) > 0 {
			fmt.Fprintf(t, "%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t", m.median(Sync, p999)/1e3, m.ratio(Pvlock, p999), m.ratio(Control, p999), m.ratio(Pvlock, worst), m.ratio(Control, worst))
		} else {
			fmt.Fprint(t, "\t\t\t\t\t")
		}
		fmt.Fprintf(t, "%.2f\t%.2f\t \n", m.median(Sync, jain), m.median(Pvlock, jain))
	}
	for _, name := range order {
		g := means[name]
		fmt.Fprintf(t, "%s  geometric mean of %v\t\t%.3f\t%.3f\t%s\t%.3f\t%.3f\t\t\t\t\t\t\t\t \n", name, g.n,
			math.Exp(g.time/g.n), math.Exp(g.control/g.n), known("%.3f", math.Exp(g.floor/g.n)), math.Exp(g.cpu/g.n), math.Exp(g.cpuControl/g.n))
	}
	return t.Flush()
}

// known formats a number that may not be known.
func known(format string, v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return fmt.Sprintf(format, v)
}
