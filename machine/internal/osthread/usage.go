package osthread

import (
	"time"

	"example.com/pvlock/machine"
)

// usage is what one thread has used.
type usage struct {
	cpu, steal             time.Duration // steal is -1 if not known
	voluntary, involuntary int64         // -1 if not known
}

func (u usage) since(before usage) usage {
	return usage{
		cpu:         u.cpu - before.cpu,
		steal:       less(u.steal, before.steal),
		voluntary:   less(u.voluntary, before.voluntary),
		involuntary: less(u.involuntary, before.involuntary),
	}
}

// less is the difference of two counts that may not be known.
func less[T ~int64](after, before T) T {
	if after < 0 || before < 0 {
		return -1
	}
	return after - before
}

// sum makes the usages of a machine's threads into the machine's.
func sum(threads []usage) (total machine.Usage) {
	for _, u := range threads {
		total.CPU += u.cpu
		if u.voluntary < 0 || total.Voluntary < 0 {
			total.Voluntary, total.Involuntary = -1, -1
		} else {
			total.Voluntary += u.voluntary
			total.Involuntary += u.involuntary
		}
		if u.steal >= 0 {
			total.Steal = append(total.Steal, u.steal)
		}
	}
	if len(total.Steal) != len(threads) {
		total.Steal = nil
	}
	return total
}
