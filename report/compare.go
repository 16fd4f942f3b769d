package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"example.com/pvlock/result"
)

// WriteComparison writes a comparison for people, a table for each metric.
func WriteComparison(w io.Writer, c *result.Comparison) error {
	var out strings.Builder
	for i := range c.Metrics {
		m := &c.Metrics[i]
		tw := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(tw, "%s\told\t\tnew\t\tnew vs. old\t\t\n", m.Name)
		log, n := 0.0, 0
		for j := range m.Cells {
			x := &m.Cells[j]
			fmt.Fprintf(tw, "%s\t%s\t± %s\t%s\t± %s\t%s\t(%s)\t%s\n", x.Name,
				number(x.Old.Center, m.Unit), x.Old.PctRangeString(),
				number(x.New.Center, m.Unit), x.New.PctRangeString(),
				x.Test.FormatDelta(x.Old.Center, x.New.Center), x.Test, verdict(m, x))
			if x.Old.Center > 0 && x.New.Center > 0 {
				log += math.Log(x.New.Center / x.Old.Center)
				n++
			}
		}
		if n > 1 {
			fmt.Fprintf(tw, "geometric mean\t\t\t\t\t%+.2f%%\t\t\n",
				100*(math.Exp(log/float64(n))-1))
		}
		if err := tw.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(&out)
	}
	fmt.Fprintln(&out,
		"Medians, ± their 95% confidence interval (∞: too few rounds for one); ~: the difference "+
			"may be chance (p > 0.05, Mann–Whitney U-test).")
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return nil
}

// verdict says in a word what a difference means.
func verdict(m *result.Compared, x *result.ComparedCell) string {
	switch loss := m.Loss(x); {
	case !x.Significant():
		return ""
	case loss > 0:
		return "worse"
	default:
		return "better"
	}
}
