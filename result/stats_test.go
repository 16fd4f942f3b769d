package result

import "testing"

func TestKeptAndCollapsedAreSaidOnlyWhereTheBaselineAgrees(t *testing.T) {
	rounds := func(ops ...float64) (r Rounds) {
		for _, x := range ops {
			r.Runs = append(r.Runs, &Run{OpsPerSecond: x})
		}
		return r
	}
	for _, tt := range []struct {
		before, after Rounds
		share         float64
		want          Survival
	}{
		{rounds(100, 110, 90), rounds(50, 60, 40), 0.5, Kept},
		{rounds(100, 110, 90), rounds(120, 130), 1.25, Kept},
		{rounds(100, 160, 100), rounds(30), 0.3, Fell},
		{rounds(100, 110, 90), rounds(5, 6, 4), 0.05, Collapsed},
		{rounds(1, 1, 200), rounds(168), 0, Noisy}, // 16800%, it was said to be
		{rounds(100, 201), rounds(100), 0, Noisy},
		{rounds(100), rounds(100), 0, Noisy},
		{rounds(0, 0), rounds(100), 0, Noisy},
		{rounds(), rounds(100), 0, Noisy},
		{rounds(100, 100), rounds(), 0, Noisy},
	} {
		if share, got := tt.before.Survives(tt.after); got != tt.want || share != tt.share {
			t.Errorf("%+v: %v, %v; want %v, %v", tt, share, got, tt.share, tt.want)
		}
	}
}
