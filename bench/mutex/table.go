package mutex

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"example.com/pvlock/result"
)

func nanos(r *result.MutexRun) float64 { return r.NanosPerOp }
func cpu(r *result.MutexRun) float64   { return r.CPUPerOp }
func jain(r *result.MutexRun) float64  { return r.Jain }
func p999(r *result.MutexRun) float64  { return float64(r.Waits.P999) }
func worst(r *result.MutexRun) float64 { return float64(r.Waits.Max) }

// floorOf returns what of sync's time the cell's work alone takes, spread over as many CPUs as can
// share in it: no mutex is faster. It is NaN where that isn't known.
func floorOf(m *result.MutexMeasured, cpus int) float64 {
	if m.Group != Contended && m.Group != Procs {
		return math.NaN()
	}
	inside, all := float64(m.Critical.Nanoseconds()), float64((m.Critical + m.Think).Nanoseconds())
	if m.Mutexes > 1 {
		inside /= float64(m.Mutexes)
	}
	work := max(inside, all/float64(min(m.Goroutines, m.Procs, cpus)))
	// Some ns of work are done while the CPU waits for the mutex's cache line.
	return min(1, work/m.Median(result.MutexSync, nanos))
}

// WriteTable writes the result for people: medians over the rounds, and for max the maximum over
// them; those of pvlock and of the control as ratios to sync's, below 1 is better (Jain's index:
// above). The floor is that of a mutex that costs nothing.
func WriteTable(w io.Writer, r *result.Mutexes) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t,
		"\tsync\tpvlock/sync\tcontrol\tfloor\tCPU\tcontrol\tp99.9\tcontrol\tmax\tcontrol\tJain\t"+
			"pvlock\t ")
	fmt.Fprintln(t, "\tns/op\ttime\t\t\ttime\t\tsync, µs\tratio\t\tratio\t\tsync\t\t ")
	type mean struct{ time, control, floor, cpu, cpuControl, n float64 }
	var order []string
	means := make(map[string]*mean)
	for i := range r.Cells {
		m := &r.Cells[i]
		time := m.Ratio(result.MutexPvlock, nanos)
		if m.Median(result.MutexSync, nanos) == 0 ||
			!(m.Median(result.MutexControl, nanos) > 0 && time > 0) {
			// Not measured, or with nothing to show for it: too short a time for so busy a machine.
			continue
		}
		if means[m.Group] == nil {
			means[m.Group] = new(mean)
			order = append(order, m.Group)
		}
		g := means[m.Group]
		g.time += math.Log(time)
		g.control += math.Log(m.Ratio(result.MutexControl, nanos))
		floor := floorOf(m, r.Host.CPUs)
		g.floor += math.Log(floor)
		g.cpu += math.Log(m.Ratio(result.MutexPvlock, cpu))
		g.cpuControl += math.Log(m.Ratio(result.MutexControl, cpu))
		g.n++
		fmt.Fprintf(t, "%s  %s\t%.1f\t%.2f\t%.2f\t%s\t%.2f\t%.2f\t", m.Group, m.Name,
			m.Median(result.MutexSync, nanos), time, m.Ratio(result.MutexControl, nanos),
			known("%.2f", floor),
			m.Ratio(result.MutexPvlock, cpu), m.Ratio(result.MutexControl, cpu))
		if m.Median(result.MutexSync, p999) > 0 {
			fmt.Fprintf(t, "%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t", m.Median(result.MutexSync, p999)/1e3,
				m.Ratio(result.MutexPvlock, p999), m.Ratio(result.MutexControl, p999),
				m.MaxRatio(result.MutexPvlock, worst), m.MaxRatio(result.MutexControl, worst))
		} else {
			fmt.Fprint(t, "\t\t\t\t\t")
		}
		fmt.Fprintf(t, "%.2f\t%.2f\t \n", m.Median(result.MutexSync, jain),
			m.Median(result.MutexPvlock, jain))
	}
	for _, name := range order {
		g := means[name]
		fmt.Fprintf(t, "%s  geometric mean of %v\t\t%.3f\t%.3f\t%s\t%.3f\t%.3f\t\t\t\t\t\t\t\t \n",
			name, g.n,
			math.Exp(g.time/g.n), math.Exp(g.control/g.n), known("%.3f", math.Exp(g.floor/g.n)),
			math.Exp(g.cpu/g.n), math.Exp(g.cpuControl/g.n))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if s := r.Ending.String(); s != "" {
		_, err := fmt.Fprintf(w, "\n%s\n", s)
		return err
	}
	return nil
}

// known formats a number that may not be known.
func known(format string, v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return fmt.Sprintf(format, v)
}
