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

// WriteTable writes the result for people: medians over the rounds; those of pvlock and of the control as
// ratios to sync's, below 1 is better (Jain's index: above).
func WriteTable(w io.Writer, r *result.Mutexes) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tsync\tpvlock/sync\tcontrol\tCPU\tcontrol\tp99.9\tcontrol\tmax\tcontrol\tJain\tpvlock\t ")
	fmt.Fprintln(t, "\tns/op\ttime\t\ttime\t\tsync, µs\tratio\t\tratio\t\tsync\t\t ")
	type mean struct{ time, control, cpu, cpuControl, n float64 }
	var order []string
	means := make(map[string]*mean)
	for i := range r.Cells {
		m := &r.Cells[i]
		time := m.Ratio(result.MutexPvlock, nanos)
		if m.Median(result.MutexSync, nanos) == 0 || !(m.Median(result.MutexControl, nanos) > 0 && time > 0) {
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
		g.cpu += math.Log(m.Ratio(result.MutexPvlock, cpu))
		g.cpuControl += math.Log(m.Ratio(result.MutexControl, cpu))
		g.n++
		fmt.Fprintf(t, "%s  %s\t%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t", m.Group, m.Name, m.Median(result.MutexSync, nanos), time, m.Ratio(result.MutexControl, nanos),
			m.Ratio(result.MutexPvlock, cpu), m.Ratio(result.MutexControl, cpu))
		if m.Median(result.MutexSync, p999) > 0 {
			fmt.Fprintf(t, "%.1f\t%.2f\t%.2f\t%.2f\t%.2f\t", m.Median(result.MutexSync, p999)/1e3, m.Ratio(result.MutexPvlock, p999), m.Ratio(result.MutexControl, p999), m.Ratio(result.MutexPvlock, worst), m.Ratio(result.MutexControl, worst))
		} else {
			fmt.Fprint(t, "\t\t\t\t\t")
		}
		fmt.Fprintf(t, "%.2f\t%.2f\t \n", m.Median(result.MutexSync, jain), m.Median(result.MutexPvlock, jain))
	}
	for _, name := range order {
		g := means[name]
		fmt.Fprintf(t, "%s  geometric mean of %v\t\t%.3f\t%.3f\t%.3f\t%.3f\t\t\t\t\t\t\t\t \n", name, g.n,
			math.Exp(g.time/g.n), math.Exp(g.control/g.n), math.Exp(g.cpu/g.n), math.Exp(g.cpuControl/g.n))
	}
	return t.Flush()
}
