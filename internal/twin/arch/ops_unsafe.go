package arch

import "unsafe"

func (c Core) exec(k Kind, width uint8, p unsafe.Pointer, a, b uint64) uint64 {
	v, _ := c.Engine.Exec(Event{Kind: k, Width: width, Cell: p, A: a, B: b})
	return v
}

func (c Core) spin(width uint8, p unsafe.Pointer, mask, value uint64, n uint32) (uint64, uint32) {
	if n == 0 {
		return value, 0
	}
	return c.Engine.Exec(Event{Kind: Spin, Width: width, N: n, Cell: p, A: mask, B: value})
}

// Load8 is a load.
func (c Core) Load8(p *U8) uint8 { return uint8(c.exec(Load, 1, unsafe.Pointer(p), 0, 0)) }

// Store8 is a store.
func (c Core) Store8(p *U8, v uint8) { c.exec(Store, 1, unsafe.Pointer(p), uint64(v), 0) }

// Xchg8 stores v and returns what was there.
func (c Core) Xchg8(p *U8, v uint8) uint8 {
	return uint8(c.exec(Xchg, 1, unsafe.Pointer(p), uint64(v), 0))
}

// Add8 adds d and returns the sum.
func (c Core) Add8(p *U8, d uint8) uint8 {
	return uint8(c.exec(Add, 1, unsafe.Pointer(p), uint64(d), 0))
}

// SpinWhile8 spins while cell&mask == value, for at most n rounds.
func (c Core) SpinWhile8(cell *U8, mask, value uint8, n uint32) (v uint8, rounds uint32) {
	x, r := c.spin(1, unsafe.Pointer(cell), uint64(mask), uint64(value), n)
	return uint8(x), r
}

// Cmpxchg8 stores new if old is there, and returns what was there.
func (c Core) Cmpxchg8(p *U8, old, new uint8) uint8 {
	return uint8(c.exec(Cmpxchg, 1, unsafe.Pointer(p), uint64(old), uint64(new)))
}

// Load16 is a load.
func (c Core) Load16(p *U16) uint16 { return uint16(c.exec(Load, 2, unsafe.Pointer(p), 0, 0)) }

// Store16 is a store.
func (c Core) Store16(p *U16, v uint16) { c.exec(Store, 2, unsafe.Pointer(p), uint64(v), 0) }

// Xchg16 stores v and returns what was there.
func (c Core) Xchg16(p *U16, v uint16) uint16 {
	return uint16(c.exec(Xchg, 2, unsafe.Pointer(p), uint64(v), 0))
}

// Add16 adds d and returns the sum.
func (c Core) Add16(p *U16, d uint16) uint16 {
	return uint16(c.exec(Add, 2, unsafe.Pointer(p), uint64(d), 0))
}

// SpinWhile16 spins while cell&mask == value, for at most n rounds.
func (c Core) SpinWhile16(cell *U16, mask, value uint16, n uint32) (v uint16, rounds uint32) {
	x, r := c.spin(2, unsafe.Pointer(cell), uint64(mask), uint64(value), n)
	return uint16(x), r
}

// Cmpxchg16 stores new if old is there, and returns what was there.
func (c Core) Cmpxchg16(p *U16, old, new uint16) uint16 {
	return uint16(c.exec(Cmpxchg, 2, unsafe.Pointer(p), uint64(old), uint64(new)))
}

// Load32 is a load.
func (c Core) Load32(p *U32) uint32 { return uint32(c.exec(Load, 4, unsafe.Pointer(p), 0, 0)) }

// Store32 is a store.
func (c Core) Store32(p *U32, v uint32) { c.exec(Store, 4, unsafe.Pointer(p), uint64(v), 0) }

// Xchg32 stores v and returns what was there.
func (c Core) Xchg32(p *U32, v uint32) uint32 {
	return uint32(c.exec(Xchg, 4, unsafe.Pointer(p), uint64(v), 0))
}

// Add32 adds d and returns the sum.
func (c Core) Add32(p *U32, d uint32) uint32 {
	return uint32(c.exec(Add, 4, unsafe.Pointer(p), uint64(d), 0))
}

// SpinWhile32 spins while cell&mask == value, for at most n rounds.
func (c Core) SpinWhile32(cell *U32, mask, value uint32, n uint32) (v uint32, rounds uint32) {
	x, r := c.spin(4, unsafe.Pointer(cell), uint64(mask), uint64(value), n)
	return uint32(x), r
}

// Cas32 stores new if old is there, and reports whether it did.
func (c Core) Cas32(p *U32, old, new uint32) bool {
	return c.exec(Cas, 4, unsafe.Pointer(p), uint64(old), uint64(new)) != 0
}

// LoadPtr is a load.
func (c Core) LoadPtr(p *Ptr) Addr { return Addr(c.exec(Load, 8, unsafe.Pointer(p), 0, 0)) }

// StorePtr is a store.
func (c Core) StorePtr(p *Ptr, v Addr) { c.exec(Store, 8, unsafe.Pointer(p), uint64(v), 0) }

// CasPtr stores new if old is there, and reports whether it did.
func (c Core) CasPtr(p *Ptr, old, new Addr) bool {
	return c.exec(Cas, 8, unsafe.Pointer(p), uint64(old), uint64(new)) != 0
}

// Or32 sets bits.
func (c Core) Or32(p *U32, bits uint32) { c.exec(Or, 4, unsafe.Pointer(p), uint64(bits), 0) }

// And32 keeps bits and clears the others.
func (c Core) And32(p *U32, bits uint32) { c.exec(And, 4, unsafe.Pointer(p), uint64(bits), 0) }

// Fence is a full fence.
func (c Core) Fence() { c.exec(Fence, 0, nil, 0, 0) }

// Membarrier executes a full fence on every CPU.
func (c Core) Membarrier() { c.exec(Membarrier, 0, nil, 0, 0) }

// Head marks a place from which all that the CPU does depends on the place, on shared memory
// and on the live value alone.
func (c Core) Head(live uint32) { c.exec(Head, 0, nil, uint64(live), 0) }

// Pause is one PAUSE.
func (c Core) Pause() { c.exec(Pause, 0, nil, 0, 0) }

// Addr returns the number that stands for the word's address.
func (c Core) Addr(w *Word) Addr { return c.Engine.Addr(w) }

// ParkThread puts the CPU's thread to sleep while the cell holds v, and may return for no
// reason.
func (c Core) ParkThread(cell *U32, v uint32) {
	c.exec(Park, 4, unsafe.Pointer(cell), uint64(v), 0)
}

// UnparkThread wakes n of the threads that sleep on the cell.
func (c Core) UnparkThread(cell *U32, n uint32) {
	c.Engine.Exec(Event{Kind: Unpark, Width: 4, N: n, Cell: unsafe.Pointer(cell)})
}

// Work is n units of computation that touches no shared memory.
func (c Core) Work(n uint32) uint32 {
	v, _ := c.Engine.Exec(Event{Kind: Work, N: n})
	return uint32(v)
}

// Ticks reads the CPU's counter.
func (c Core) Ticks() uint64 { return c.exec(Ticks, 0, nil, 0, 0) }

// Now is the CPU's counter in nanoseconds.
func (c Core) Now() uint64 { return c.exec(Now, 0, nil, 0, 0) }

// Pin keeps the goroutine on its processor until Unpin.
func (c Core) Pin() int { return int(c.exec(Pin, 0, nil, 0, 0)) }

// Unpin undoes one Pin.
func (c Core) Unpin() { c.exec(Unpin, 0, nil, 0, 0) }

// Seal says that a CPU has come up.
func (c Core) Seal() { c.exec(Seal, 0, nil, 0, 0) }

// Fatal ends the program.
func (c Core) Fatal(msg string) {
	c.Engine.Exec(Event{Kind: Fatal, Msg: msg})
	panic("pvlock: a fatal event returned")
}

// The event channel as a primitive of the machine, for a ChannelOps of the twin's.

// ChannelPoll sleeps until the CPU's channel is pending. It may return early.
func (c Core) ChannelPoll() { c.exec(Poll, 0, nil, 0, 0) }

// ChannelClear makes it not pending.
func (c Core) ChannelClear() { c.exec(Clear, 0, nil, 0, 0) }

// ChannelSet makes it pending.
func (c Core) ChannelSet() { c.exec(Set, 0, nil, 0, 0) }

// ChannelTest reports whether it is.
func (c Core) ChannelTest() bool { return c.exec(Test, 0, nil, 0, 0) != 0 }

// ChannelNotify makes another CPU's channel pending.
func (c Core) ChannelNotify(cpu uint32) { c.exec(Notify, 0, nil, uint64(cpu), 0) }

// ChannelBind makes the CPU's channel.
func (c Core) ChannelBind() { c.exec(Bind, 0, nil, 0, 0) }

// ChannelUnbind frees it.
func (c Core) ChannelUnbind() { c.exec(Unbind, 0, nil, 0, 0) }
