package report

import (
	"math"
	"strconv"
	"strings"
)

// A scale maps values to a length of the picture.
type scale struct {
	low, high float64 // values
	from, to  float64 // the picture's
	log       bool
}

// huge bounds what is drawn. What is more is drawn as it: a file may say anything.
const huge = 1e30

// newScale returns a scale that holds all the values, with some room around them. On a logarithmic
// one those that are not above 0 are at the end.
func newScale(values []float64, log bool, from, to float64) scale {
	s := scale{math.Inf(1), math.Inf(-1), from, to, log}
	for _, v := range values {
		if log && v <= 0 {
			continue
		}
		v = max(min(v, huge), -huge)
		if log {
			v = max(v, 1/huge)
		}
		s.low, s.high = min(s.low, v), max(s.high, v)
	}
	switch {
	case s.low > s.high:
		s.low, s.high = 1, 10
	case log && s.high/s.low < 1.5:
		s.low, s.high = s.low/1.5, s.high*1.5
	case !log && s.low == s.high:
		s.low, s.high = s.low-max(1, math.Abs(s.low))/2, s.high+max(1, math.Abs(s.high))/2
	}
	return s
}

// at returns where a value is.
func (s scale) at(v float64) float64 {
	if s.log && v <= 0 {
		return s.from
	}
	v = max(min(v, s.high), s.low)
	share := (v - s.low) / (s.high - s.low)
	if s.log {
		share = math.Log(v/s.low) / math.Log(s.high/s.low)
	}
	return s.from + share*(s.to-s.from)
}

// roomy widens the scale by a share of the picture at each end.
func (s scale) roomy(share float64) scale {
	if s.log {
		f := math.Pow(s.high/s.low, share)
		s.low, s.high = s.low/f, s.high*f
		return s
	}
	d := (s.high - s.low) * share
	s.low, s.high = s.low-d, s.high+d
	return s
}

// onAxis is a roomy scale of values, with 0 at its end if that is the least: nothing is below none.
func (s scale) onAxis() scale {
	r := s.roomy(0.03)
	if !s.log && s.low == 0 {
		r.low = 0
	}
	return r
}

// ticks returns some round values of the scale, about as many as wanted.
func (s scale) ticks(want int) []float64 {
	if !s.log {
		step := roundUp((s.high - s.low) / float64(want))
		var ticks []float64
		first := math.Ceil(s.low/step - 1e-9)
		// Counted: of values that are close, n+1 may be n.
		for i := range 2*want + 2 {
			if v := (first + float64(i)) * step; v <= s.high+step*1e-9 {
				ticks = append(ticks, v)
			}
		}
		return ticks
	}
	first, last := math.Ceil(math.Log10(s.low)-1e-9), math.Floor(math.Log10(s.high)+1e-9)
	var ticks []float64
	if last-first < 2 {
		for e := first - 1; e <= last; e++ {
			for _, m := range []float64{1, 2, 5} {
				if v := m * math.Pow(10, e); v >= s.low && v <= s.high {
					ticks = append(ticks, v)
				}
			}
		}
		if len(ticks) < 3 {
			s.log = false
			return s.ticks(want)
		}
		return ticks
	}
	step := math.Max(1, math.Ceil((last-first)/float64(want)))
	for e := first; e <= last; e += step {
		ticks = append(ticks, math.Pow(10, e))
	}
	return ticks
}

// powersOf2 returns as many powers of two as have room.
func (s scale) powersOf2(most int) []float64 {
	first, last := math.Ceil(math.Log2(s.low)), math.Floor(math.Log2(s.high))
	step := 1.0
	for (last-first)/step > float64(most) {
		step *= 2
	}
	var ticks []float64
	for e := math.Ceil(first/step) * step; e <= last; e += step {
		ticks = append(ticks, math.Pow(2, e))
	}
	return ticks
}

// roundUp returns the next 1, 2 or 5 times a power of ten.
func roundUp(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*p*(1+1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// powers is the unit of what is written as a power of two.
const powers = "2^n"

// number writes a value for people: with three digits that count, a time with its unit, anything
// else with the prefix of a power of a thousand.
func number(v float64, unit string) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v == 0:
		return "0" + percentSign(unit)
	case unit == "ns":
		return nanos(v)
	case unit == "%":
		return short(v) + "%"
	case unit == powers:
		return "2^" + short(math.Log2(v))
	}
	a := math.Abs(v)
	for _, p := range []struct {
		of   float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if a >= p.of*0.9995 {
			return short(v/p.of) + p.name
		}
	}
	return short(v)
}

func percentSign(unit string) string {
	if unit == "%" {
		return unit
	}
	return ""
}

func nanos(ns float64) string {
	for _, p := range []struct {
		of   float64
		name string
	}{{1e9, " s"}, {1e6, " ms"}, {1e3, " µs"}} {
		if math.Abs(ns) >= p.of*0.9995 {
			return short(ns/p.of) + p.name
		}
	}
	return short(ns) + " ns"
}

// short writes three digits that count, and no zeros after them.
func short(v float64) string {
	if a := math.Abs(v); a >= 1e6 || a < 1e-4 && a > 0 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	digits := max(0, 2-int(math.Floor(math.Log10(max(math.Abs(v), 1e-4)))))
	text := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// pixels writes a place of the picture to a tenth, fine to a hundredth.
func pixels(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
func fine(v float64) string   { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) }
