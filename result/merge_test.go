package result

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// sweep is a sweep of n cells, with a timeline of every third.
func sweep(n int) *Sim {
	s := &Sim{
		Schema: SchemaSim, Command: []string{"pvlock", "sim", "--seed", "7"}, Experiment: "free",
		About: "A sweep", Seed: 7,
		Costs: map[string]int64{"hit": 1, "pause": 10}, CostsFrom: "defaults", Shard: Shard{1, 1},
		Cells: n,
		Plots: []Plot{
			{Title: "Throughput", X: Axis{Value: "overcommit"},
				Y: Axis{Value: "ops_per_s", Log: true, Marks: []Mark{{1, "one"}}}}},
	}
	for i := range n {
		s.Runs = append(s.Runs, SimRun{
			Cell: i, Series: "xen", Lock: "xen", Scheduler: "fair",
			Setting: map[string]string{"spin": fmt.Sprint(i)}, PCPUs: 2, VCPUs: 4, Nanos: 1e9,
			Acquisitions: uint64(1000 + i),
			Values:       map[string]float64{"overcommit": 2, "ops_per_s": float64(1000 + i)},
			Counters:     map[string]uint64{}, SpinRounds: []uint64{},
		})
		if i%3 == 0 {
			s.Timelines = append(s.Timelines,
				Timeline{Cell: i, Title: fmt.Sprintf("cell %d", i), ToNanos: 10, Tracks: []Track{},
					Flows: []Flow{}})
		}
	}
	return s
}

// cut is a sweep in shards: cell i is of shard i mod n.
func cut(whole *Sim, n int) []*Sim {
	var shards []*Sim
	for k := range n {
		s := *whole
		s.Shard, s.Runs, s.Timelines = Shard{k + 1, n}, nil, nil
		for _, r := range whole.Runs {
			if r.Cell%n == k {
				s.Runs = append(s.Runs, r)
			}
		}
		for _, t := range whole.Timelines {
			if t.Cell%n == k {
				s.Timelines = append(s.Timelines, t)
			}
		}
		shards = append(shards, &s)
	}
	return shards
}

func bytesOf(t *testing.T, s *Sim) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := s.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestMergedShardsAreTheWholeInAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, cells := range []int{0, 1, 2, 10} {
		whole := sweep(cells)
		want := bytesOf(t, whole)
		for _, n := range []int{1, 2, 3, 7} {
			shards := cut(whole, n)
			for range 5 {
				rng.Shuffle(n, func(i, j int) { shards[i], shards[j] = shards[j], shards[i] })
				// As files, which is what they are.
				var read []*Sim
				for _, s := range shards {
					r, err := ReadSim(bytes.NewReader(bytesOf(t, s)))
					if err != nil {
						t.Fatal(err)
					}
					read = append(read, r)
				}
				merged, err := MergeSims(read)
				if err != nil {
					t.Fatalf("%d cells in %d shards: %v", cells, n, err)
				}
				if !bytes.Equal(bytesOf(t, merged), want) {
					t.Fatalf("%d cells in %d shards: the merged file is not the whole one", cells,
						n)
				}
			}
		}
	}
}

func TestMergingRefuses(t *testing.T) {
	shards := func(change func(s []*Sim)) []*Sim {
		s := cut(sweep(9), 3)
		change(s)
		return s
	}
	for want, s := range map[string][]*Sim{
		"no shards":                            nil,
		"the first that is missing is shard 2": {cut(sweep(9), 3)[0], cut(sweep(9), 3)[2]},
		"the first that is missing is shard 1": cut(sweep(9), 2_000_000)[1:2],
		"shard 2 of 3 is given twice": append(cut(sweep(9), 3),
			cut(sweep(9), 3)[1]),
		"their seed is 7 and 8": shards(func(s []*Sim) { s[1].Seed = 8 }),
		"their costs is": shards(func(s []*Sim) {
			s[2].Costs = map[string]int64{"hit": 2}
		}),
		"their experiment is": shards(func(s []*Sim) {
			s[2].Experiment = "other"
		}),
		"their command is": shards(func(s []*Sim) {
			s[2].Command = []string{strings.Repeat("x", 1000)}
		}),
		"their number of cells is 9 and 10": shards(func(s []*Sim) {
			s[0].Cells, s[1].Cells = 9, 10
		}),
		"their number of shards is 3 and 2": {cut(sweep(9), 3)[0], cut(sweep(9), 2)[1]},
		"their plots is":                    shards(func(s []*Sim) { s[2].Plots = nil }),
		"cell 4 of 9 is in no shard": shards(func(s []*Sim) {
			s[1].Runs = append(s[1].Runs[:1:1], s[1].Runs[2])
		}),
		"cell 8 of 9 is in no shard: was one interrup": shards(func(s []*Sim) {
			s[2].Runs = s[2].Runs[:2]
		}),
		"cell 3 is in two shards": shards(func(s []*Sim) {
			s[1].Runs = append(s[1].Runs, s[0].Runs[1])
		}),
	} {
		_, err := MergeSims(s)
		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "\n") || len(err.Error()) > 400 {
			t.Errorf("%v: want a line with %q", err, want)
		}
	}
}
