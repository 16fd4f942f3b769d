package check

import (
	"context"
	"fmt"
	"os"
	"sort"
	"testing"
)

func TestProf(t *testing.T) {
	if os.Getenv("PROF") == "" {
		t.Skip()
	}
	c := Config{Lock: kind(t, os.Getenv("PROF")), Client: Plain(2, 2), CPUs: 2, Spin: AnySpin, Spurious: true}
	if os.Getenv("SPIN") != "" {
		fmt.Sscan(os.Getenv("SPIN"), &c.Spin)
	}
	c.complete()
	x, _ := newModel(c)
	x.wander()
	e := &explorer{model: x, stopped: context.Background()}
	for e.run() == nil {
		e = &explorer{model: x, stopped: context.Background()}
		x.dirty.Store(false)
	}
	t.Log(e.seen.count.Load())
	by := map[string]int{}
	for i := range x.numNodes {
		n := x.node(int32(i))
		by[fmt.Sprintf("%d %s %s", n.cpu, n.ev.site.pos(), x.describe(&n.ev, 0, false))]++
	}
	var keys []string
	for k := range by {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return by[keys[i]] > by[keys[j]] })
	for _, k := range keys[:min(50, len(keys))] {
		t.Log(by[k], k)
	}
}
