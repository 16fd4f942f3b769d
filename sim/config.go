package sim

import (
	"time"

	"example.com/pvlock/internal/twin/spinlock"
)

// Config is one cell: one lock on one host.
type Config struct {
	// Lock is the lock, of the twin's catalogue.
	Lock spinlock.Kind
	// Spin, Steal and WaitEarly override the tunables if they aren't nil.
	Spin, Steal *uint32
	WaitEarly   *bool
	// Kick is which of the 2008 lock's waiters is kicked: one for each unlock, or "" for whom the
	// text kicks.
	Kick KickChoice

	// PCPUs is the number of the host's CPUs, Sockets how many sockets they are spread over.
	PCPUs, Sockets int
	// VMs are the guests. Each has a lock of its own and vCPUs that contend for it.
	VMs []VM
	// Background is the number of other VMs' vCPUs that compute all the time.
	Background int

	// Scheduler is the host's; Slice its time slice (0: the scheduler's default).
	Scheduler Scheduler
	Slice     time.Duration
	// TickDebit lets the credit scheduler charge the vCPU that runs at its tick for the whole tick,
	// as Xen's did.
	TickDebit bool
	// PLE, if not 0, is the number of PAUSEs in a row after which the host takes the CPU from a
	// vCPU that spins and lends it to another one of its VM.
	PLE uint32
	// Gang schedules all vCPUs of a VM together or not at all.
	Gang bool
	// BoostHead keeps the host from preempting a vCPU at the head of a lock's queue, or inside, for
	// a slice, and lends one that gets there off its CPU the CPU of a vCPU of its VM that is
	// neither.
	BoostHead bool
	// StealTime lets a guest see which of its vCPUs don't run: a waiter of pvqspin with WaitEarly
	// then takes it that one that doesn't sleeps (Linux's vcpu_is_preempted from 2017 to 2019).
	StealTime bool

	// Threads is the number of threads in each VM, 0 for one on each vCPU, and no guest scheduler.
	// GuestSlice is the guest kernel's time slice.
	Threads    int
	GuestSlice time.Duration
	// Goroutines is the number of goroutines in each VM's Go program, 0 for one on each thread and
	// no Go scheduler. StopTheWorld is how often the collector stops it; 0 is never.
	Goroutines   int
	StopTheWorld time.Duration

	// Critical is the length of the critical section, Think the mean of what is done between two,
	// half as much to half as much again.
	Critical, Think time.Duration
	// Duration is the virtual time that is measured, after Warmup.
	Duration, Warmup time.Duration
	// Costs are what things cost.
	Costs Costs
	// Seed is what all randomness comes from.
	Seed uint64
	// StepByStep simulates every round of every spin, instead of skipping to the one that ends it.
	// The results are the same.
	StepByStep bool
	// Timeline is how much of the end of the run is recorded; 0 is nothing.
	Timeline time.Duration
}

// VM is a guest.
type VM struct {
	// VCPUs is how many it has.
	VCPUs int
	// Yield lets each give its CPU up when it has computed for so long, if it isn't 0, until just
	// after the next tick of 10 ms: the guest that dodges it.
	Yield time.Duration
	// Weight is its share; 0 means 256.
	Weight int
}

// Scheduler is a host's.
type Scheduler string

// The schedulers.
const (
	RoundRobin Scheduler = "rr"     // slices in turn, one queue
	Credit     Scheduler = "credit" // Xen's: 30 ms slices, 10 ms ticks, BOOST, UNDER and OVER
	// like Linux's: the least served first, slices of 3 ms, wake-up preemption
	Fair Scheduler = "fair"
)

// KickChoice is which of the waiters that the 2008 lock's unlocker may kick it kicks.
type KickChoice string

// The choices.
const (
	KickFirst    KickChoice = "first"    // the first found from CPU 0 on
	KickRotating KickChoice = "rotating" // the first found from a place that moves on
	KickOldest   KickChoice = "oldest"   // the one that waits longest
)

// Costs is what things cost, in ns. The comments say where the defaults are from.
type Costs struct {
	// Hit is an access to a line that the CPU has.
	Hit int64 `json:"hit"`
	// Socket is fetching a line from another CPU of the socket, Remote from another socket.
	Socket int64 `json:"socket"`
	Remote int64 `json:"remote"`
	// Overlap is how much of accesses to memory a CPU hides behind the computation before or after
	// them.
	Overlap int64 `json:"overlap"`
	// Locked is what a locked instruction costs more, Pause one PAUSE.
	Locked int64 `json:"locked"`
	Pause  int64 `json:"pause"`
	// Kick is what it costs the kicker, Wake how long after he is done with it the woken one is
	// ready to run.
	Kick int64 `json:"kick"`
	Wake int64 `json:"wake"`
	// Block is what going to sleep costs the CPU, Switch a switch between two vCPUs or threads.
	Block  int64 `json:"block"`
	Switch int64 `json:"switch"`
	// GoSwitch is a switch between two goroutines of a thread.
	GoSwitch int64 `json:"go_switch"`
	// Slice is the fair scheduler's.
	Slice int64 `json:"slice"`
}
