//go:build linux && amd64

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"example.com/pvlock/bench"
	"example.com/pvlock/host"
	"example.com/pvlock/machine/xen"
	"example.com/pvlock/result"
)

// good returns what dom0 says when all is as it should be.
func good() []*message {
	b := &result.Bench{Command: []string{"pvlock"},
		Host: result.Host{Hypervisor: "Xen", Emulated: true}}
	for _, lock := range benchLocks {
		b.Runs = append(b.Runs, result.Run{
			Lock: lock, Machine: bench.OnXen, CPUs: cpus, VCPUs: overcommitted * cpus, Round: 1,
			AcquisitionsTotal: 1000,
			Counters:          map[string]uint64{"event_kick": 10, "event_wakeup": 9},
		})
	}
	return []*message{
		{Boot: &boot{
			Kernel: []string{"<4>[ 3.3] cpu 0 spinlock event irq 25",
				"<4>[ 3.4] cpu 1 spinlock event irq 35"},
			Facts: host.Facts{Hypervisor: host.Is(host.Hypervisor{Name: "Xen", Source: "cpuid"}),
				Emulated: true, NumCPUs: cpus},
			Xen: xen.Info{Version: "4.17.7", Guest: "PV", Scheduler: "credit2"},
		}},
		{Step: &step{Name: stepDoctor,
			Output: packed("Xen   Xen 4.17.7, guest PV, scheduler credit2; event channels are " +
				"usable\n")}},
		{Step: &step{Name: stepTests,
			Output: packed("--- PASS: TestContract (1.00s)\n    --- PASS: TestContract/Ring " +
				"(0.10s)\n--- SKIP: " + expectedSkip + " (0.00s)\n")}},
		{Step: &step{Name: stepBench,
			Files: map[string]packed{"bench.json": written(b), "bench.txt": packed("Benchmark")}}},
	}
}

func written(b *result.Bench) packed {
	var out bytes.Buffer
	if err := b.Write(&out); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// changed changes the runs of a result.
func changed(m *message, change func(r *result.Run)) {
	b, err := result.ReadBench(bytes.NewReader(m.Step.Files["bench.json"]))
	if err != nil {
		panic(err)
	}
	for i := range b.Runs {
		change(&b.Runs[i])
	}
	m.Step.Files["bench.json"] = written(b)
}

func TestTheVerdictFindsWhatIsNotAsItShouldBe(t *testing.T) {
	const boots, doctors, tests, benches = 0, 1, 2, 3
	for _, tt := range []struct {
		name   string
		change func(all []*message) []*message
		want   string // "" for none
	}{
		{"all is well", func(all []*message) []*message { return all }, ""},
		{"nothing said", func([]*message) []*message { return nil }, "did not say"},
		{"no bench", func(all []*message) []*message { return all[:benches] },
			"nothing was measured"},
		{"dom0 gave up",
			func(all []*message) []*message { return append(all, &message{Failed: "no modules"}) },
			"no modules"},
		{"the kernel chose other locks",
			func(all []*message) []*message { all[boots].Boot.Kernel = nil; return all },
			"for 0 CPUs"},
		{"another hypervisor", func(all []*message) []*message {
			all[boots].Boot.Facts.Hypervisor =
				host.Is(host.Hypervisor{Name: "KVM", Source: "cpuid"})
			return all
		}, "KVM"},
		{"not by CPUID", func(all []*message) []*message {
			all[boots].Boot.Facts.Hypervisor =
				host.Is(host.Hypervisor{Name: "Xen", Source: "/sys/hypervisor/type"})
			return all
		}, "not Xen by cpuid"},
		{"not known to be emulated",
			func(all []*message) []*message { all[boots].Boot.Facts.Emulated = false; return all },
			"don't say so"},
		{"no scheduler",
			func(all []*message) []*message { all[boots].Boot.Xen.Scheduler = ""; return all },
			"not all is known"},
		{"the doctor knows no channels",
			func(all []*message) []*message { all[doctors].Step.Output = nil; return all },
			"pvlock doctor doesn't say"},
		{"a test fails", func(all []*message) []*message {
			all[tests].Step.Output, all[tests].Step.Exit = packed("--- FAIL: TestContract "+
				"(1.00s)\n"), 1
			return all
		}, "TestContract failed"},
		{"a test dies", func(all []*message) []*message { all[tests].Step.Exit = 2; return all },
			"exit status 2"},
		{"tests are skipped", func(all []*message) []*message {
			all[tests].Step.Output = packed("--- SKIP: TestContract (0.00s)\n")
			return all
		}, "TestContract was skipped"},
		{"a violation", func(all []*message) []*message {
			changed(all[benches], func(r *result.Run) { r.Violations = 1 })
			return all
		}, "xen did not exclude"},
		{"lost wake-ups of the locks that lose some", func(all []*message) []*message {
			changed(all[benches], func(r *result.Run) {
				if losesWakeups(r.Lock) {
					r.LostWakeups = 3
				}
			})
			return all
		}, ""},
		{"lost wake-ups", func(all []*message) []*message {
			changed(all[benches], func(r *result.Run) { r.LostWakeups = 3 })
			return all
		}, "pvqspin lost 3 wake-ups"},
		{"the channels were not used", func(all []*message) []*message {
			changed(all[benches], func(r *result.Run) { r.Counters = nil })
			return all
		}, "channels were not used"},
		{"a lock is missing", func(all []*message) []*message {
			changed(all[benches], func(r *result.Run) {
				if r.Lock == "xen" {
					r.Lock = "tas"
				}
			})
			return all
		}, "xen was not measured"},
		{"of real CPUs", func(all []*message) []*message {
			all[benches].Step.Files["bench.json"] =
				packed(strings.Replace(string(all[benches].Step.Files["bench.json"]),
					`"emulated": true`, `"emulated": false`, 1))
			return all
		}, "not of an emulated Xen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &verdict{out: io.Discard}
			for _, m := range tt.change(good()) {
				v.heard(m)
			}
			bad := strings.Join(v.end(), "; ")
			if (bad == "") != (tt.want == "") || !strings.Contains(bad, tt.want) {
				t.Errorf("found %q, want %q", bad, tt.want)
			}
		})
	}
}

func TestAMessageComesThroughTheSerialPortAsItIs(t *testing.T) {
	want := strings.Repeat("--- PASS: TestContract\n", 1000)
	line, err := json.Marshal(message{Step: &step{Output: packed(want)}})
	if err != nil {
		t.Fatal(err)
	}
	if len(line) > len(want)/10 {
		t.Errorf("%d bytes of text are %d bytes on the line", len(want), len(line))
	}
	have := new(message)
	if err := json.Unmarshal(line, have); err != nil || string(have.Step.Output) != want {
		t.Errorf("%v: %q", err, have.Step.Output)
	}
}

// As "cpio -o -H newc" writes it.
func TestAnArchiveIsWhatTheKernelReads(t *testing.T) {
	var out bytes.Buffer
	c := &cpio{w: &out}
	c.file("init", 0o755, []byte("hello"))
	c.device("dev/console", 5, 1)
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	want := "070701" + "00000001" + "000081ed" + "00000000" + "00000000" + "00000001" + "00000000" +
		"00000005" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000" +
		"init\x00\x00" + "hello\x00\x00\x00" +
		"070701" + "00000002" + "00002180" + "00000000" + "00000000" + "00000001" + "00000000" +
		"00000000" +
		"00000000" + "00000000" + "00000005" + "00000001" + "0000000c" + "00000000" +
		"dev/console\x00\x00\x00" +
		"070701" + "00000003" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" +
		"00000000" +
		"00000000" + "00000000" + "00000000" + "00000000" + "0000000b" + "00000000" +
		"TRAILER!!!\x00\x00\x00\x00"
	if have := out.String(); have != want {
		t.Errorf("have %q\nwant %q", have, want)
	}
}
