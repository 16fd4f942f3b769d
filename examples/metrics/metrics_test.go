package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"example.com/pvlock"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/goroutine"
	"example.com/pvlock/paravirt"
	"example.com/pvlock/spinlock"
)

func Example() {
	var mu pvlock.Mutex
	observer := mu.Observe()
	defer observer.Stop()

	var registry Registry
	registry.Mutex("orders", observer)
	// http.Handle("/metrics", &registry)
	// expvar.Publish("pvlock", registry.Var())

	mu.Lock()
	giveUp(&mu)
	mu.Unlock()

	page := httptest.NewRecorder()
	registry.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(page.Body.String()) {
		if strings.Contains(line, "gave_up") {
			fmt.Print(line)
		}
	}
	// Output:
	// # HELP pvlock_mutex_gave_up_total Waits that a context ended.
	// # TYPE pvlock_mutex_gave_up_total counter
	// pvlock_mutex_gave_up_total{mutex="orders"} 1
}

// giveUp waits for a mutex that is held, and gives up.
func giveUp(mu *pvlock.Mutex) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if mu.LockContext(ctx) == nil {
		mu.Unlock()
	}
}

// scrape gets the page as Prometheus would, with its own parser.
func scrape(t *testing.T, r *Registry) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if got, want := w.Header().
		Get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8"; got != want {
		t.Errorf("content type %q, want %q", got, want)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// label is a name that needs each escape that there is.
const label = "back\\slash, \"quotes\",\nlines"

func TestAMutexIsScraped(t *testing.T) {
	var a, b pvlock.Mutex
	var r Registry
	for _, mu := range []*pvlock.Mutex{&a, &b} {
		o := mu.Observe()
		defer o.Stop()
		r.Mutex(label, o)
		mu.Lock()
		giveUp(mu)
		mu.Unlock()
	}
	f := scrape(t, &r)["pvlock_mutex_gave_up_total"]
	if f == nil || f.GetType() != dto.MetricType_COUNTER || len(f.Metric) != 1 {
		t.Fatalf("gave_up is %v, want one counter", f)
	}
	m := f.Metric[0]
	if m.Label[0].GetName() != "mutex" || m.Label[0].GetValue() != label ||
		m.Counter.GetValue() != 2 {
		t.Errorf("%v, want 2 of %q", m, label)
	}
}

// contend makes a machine on which one CPU has waited for another: the holder doesn't unlock until
// the other sleeps.
func contend(t *testing.T) *paravirt.Machine {
	t.Helper()
	m, err := goroutine.New(machine.Config{VCPUs: 2, HostCPUs: []int{0, 1}, Stats: true})
	if err != nil {
		t.Fatal(err)
	}
	pv := m.Paravirt()
	var lock spinlock.Xen
	held := make(chan struct{})
	if _, err := m.Run(func() {}, func(c *paravirt.CPU) {
		if c.ID() == 1 {
			<-held
			lock.Lock(c)
			lock.Unlock(c)
			return
		}
		lock.Lock(c)
		close(held)
		for !pv.Asleep(1) {
			c.Yield()
		}
		lock.Unlock(c)
	}); err != nil {
		t.Fatal(err)
	}
	return pv
}

func TestAMachineIsScraped(t *testing.T) {
	var r Registry
	r.Machine("guest", contend(t))
	families := scrape(t, &r)
	for name, want := range map[string]float64{
		"pvlock_contended_total": 1, "pvlock_blocked_total": 1, "pvlock_taken_slow_total": 1,
		"pvlock_released_slow_kicked_total": 1, "pvlock_lock_pending_total": 0,
	} {
		if f := families[name]; f == nil || f.Metric[0].Counter.GetValue() != want {
			t.Errorf("%s is %v, want %v", name, f, want)
		}
	}
	h := families["pvlock_wait_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 1 || h.GetSampleSum() <= 0 {
		t.Errorf("the histogram has %d waits of %v s in all, want 1 of some", h.GetSampleCount(),
			h.GetSampleSum())
	}
	for _, b := range h.Bucket {
		// The one wait is in each bucket above its own length, and in none below.
		if in := h.GetSampleSum() < b.GetUpperBound(); in != (b.GetCumulativeCount() == 1) {
			t.Errorf("the wait of %v s is in the bucket up to %v s: %v", h.GetSampleSum(),
				b.GetUpperBound(), b.GetCumulativeCount())
		}
	}
}

func TestExpvarHasTheSameNumbers(t *testing.T) {
	var r Registry
	r.Machine("guest", contend(t))
	var got map[string]map[string]float64
	if err := json.Unmarshal([]byte(r.Var().String()), &got); err != nil {
		t.Fatal(err)
	}
	for name, f := range scrape(t, &r) {
		if f.GetType() != dto.MetricType_COUNTER {
			continue
		}
		if v, ok := got[name]["guest"]; !ok || v != f.Metric[0].Counter.GetValue() {
			t.Errorf("%s is %v in expvar (there: %v) and %v on the page", name, v, ok,
				f.Metric[0].Counter.GetValue())
		}
	}
}

func TestWithoutSourcesThePageIsEmpty(t *testing.T) {
	if families := scrape(t, new(Registry)); len(families) != 0 {
		t.Errorf("%d metrics, want none", len(families))
	}
}
