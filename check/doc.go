// Package check explores every interleaving of a small client over a lock's own text, under
// x86-TSO, and shows the shortest way to whatever it finds wrong.
//
// The text is the twin of what ships (internal/twin): no lock is written again for checking.
//
// # The machine
//
// Up to four CPUs, each with a FIFO store buffer. A load takes each byte from the youngest store to
// it in its own CPU's buffer, or else from memory; that a load may be put together from both is
// more than hardware does, which waits: it allows slightly too much, and so misses nothing. Locked
// instructions, fences, hypercalls and system calls need an empty buffer. A membarrier finds each
// CPU's buffer empty once, in any order. Buffers hold four stores unless more are asked for; a
// result says when that held a CPU up.
//
// A sleep may end for no reason, any number of times. Interrupts come to CPUs that wait, at any
// step, up to a bound over all of them, and run on the CPU that they interrupt. Nobody can count on
// either: a state that only they lead out of is a deadlock.
//
// A spin is an await: it goes on when what it watches has changed. A bounded one may also give up
// at any time. Budgets are 0, 1, or "any", within which a waiter sees two changes at most. Time is
// not modelled.
//
// The root package's mutex runs on goroutines: each is one of the CPUs, with a store buffer of its
// own. It sleeps until it is roused, and no longer; one that may give up may do so whenever it
// looks. A waiter's clock says four times at most, that differ by what the text compares them to,
// and grows within an acquisition; a sleep ends its last moment. What the process decides (whether
// spinning is of use) and what chance decides may be either. Each goroutine has one waiter number.
// Nothing may be left in a mutex that nobody uses any more.
//
// # The exploration
//
// What a CPU does next is a function of the results of its operations since it last forgot (a Head
// in the text, the client's acquisitions). So its text is an automaton, made while it is explored;
// a state is memory, buffers and a place in each automaton; visited states are kept as 64-bit
// fingerprints. Steps that no other CPU can see or change are taken at once: stores into the
// buffer, and whatever concerns cells that one CPU alone accesses or that nobody writes. Levels are
// explored one after the other, on all cores; counts and counterexamples don't depend on how many.
//
// When all states have been seen it is checked that the clients can come to their end from each.
//
// # What it does not do
//
// It proves nothing about machines weaker than x86 (arm64): there the order is argued in the text's
// comments, and not explored. It proves nothing about more CPUs, acquisitions or interrupts than it
// is given. Fairness is measured ([Config].Bypass) and not proved. Faults that TSO can't show are
// listed by [Unseen].
package check
