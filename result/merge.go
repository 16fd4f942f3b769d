package result

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// MergeSims makes the shards of one sweep into the whole, in whatever order they are given: the
// same as if it had not been cut. Shards that are missing, given twice, or of different sweeps are
// errors.
func MergeSims(shards []*Sim) (*Sim, error) {
	if len(shards) == 0 {
		return nil, errors.New("no shards to merge")
	}
	first := shards[0]
	given := make(map[int]bool)
	for _, s := range shards {
		if err := sameSweep(first, s); err != nil {
			return nil, err
		}
		if given[s.Shard.Index] {
			return nil, fmt.Errorf("shard %d of %d is given twice", s.Shard.Index, s.Shard.Of)
		}
		given[s.Shard.Index] = true
	}
	// There may be more missing than anybody wants to read of.
	for i := 1; len(given) < first.Shard.Of; i++ {
		if !given[i] {
			return nil, fmt.Errorf("%d of %d shards are given: the first that is missing is "+
				"shard %d", len(given), first.Shard.Of, i)
		}
	}
	whole := *first
	whole.Shard = Shard{Index: 1, Of: 1}
	whole.Runs, whole.Timelines, whole.Ending = nil, nil, Ending{}
	for _, s := range shards {
		whole.Runs = append(whole.Runs, s.Runs...)
		whole.Timelines = append(whole.Timelines, s.Timelines...)
	}
	slices.SortStableFunc(whole.Runs, func(a, b SimRun) int { return cmp.Compare(a.Cell, b.Cell) })
	slices.SortStableFunc(whole.Timelines, func(a, b Timeline) int {
		return cmp.Compare(a.Cell, b.Cell)
	})
	for i := range whole.Runs {
		switch have := whole.Runs[i].Cell; {
		case have < i:
			return nil, fmt.Errorf("cell %d is in two shards", have)
		case have > i:
			return nil, fmt.Errorf("cell %d of %d is in no shard: was one interrupted?", i,
				whole.Cells)
		}
	}
	if n := len(whole.Runs); n < whole.Cells {
		return nil, fmt.Errorf("cell %d of %d is in no shard: was one interrupted?", n, whole.Cells)
	}
	return &whole, nil
}

// sameSweep says what tells two shards' sweeps apart.
func sameSweep(a, b *Sim) error {
	for _, what := range []struct {
		name string
		a, b any
	}{
		{"number of shards", a.Shard.Of, b.Shard.Of},
		{"experiment", a.Experiment, b.Experiment},
		{"seed", a.Seed, b.Seed},
		{"costs", a.Costs, b.Costs},
		{"origin of the costs", a.CostsFrom, b.CostsFrom},
		{"command", a.Command, b.Command},
		{"number of cells", a.Cells, b.Cells},
		{"sentence about it", a.About, b.About},
		{"plots", a.Plots, b.Plots},
	} {
		// Both were read from JSON, so both can be written as such.
		x, _ := json.Marshal(what.a)
		y, _ := json.Marshal(what.b)
		if !bytes.Equal(x, y) {
			return fmt.Errorf("shards %d and %d are not of one sweep: their %s is %s and %s",
				a.Shard.Index, b.Shard.Index, what.name, clip(x), clip(y))
		}
	}
	return nil
}

// clip keeps a line a line.
func clip(text []byte) []byte {
	const most = 120
	if len(text) > most {
		return append(append([]byte{}, text[:most]...), "…"...)
	}
	return text
}
