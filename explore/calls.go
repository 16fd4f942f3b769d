package explore

// What bodies call. The interpreter recognises these functions by their addresses and never
// executes them; natively they do next to nothing, so that a body can also run outside of an
// exploration.

// Assert fails the exploration unless ok is true.
//
//go:noinline
func Assert(ok bool) {
	if !ok {
		panic("explore: assertion")
	}
}

// Choose returns a number below n; the exploration tries each. n is at least 1 and at most 16.
// Outside of an exploration it returns 0.
//
//go:noinline
func Choose(n int) int {
	if n < 1 || n > 16 {
		panic("explore: Choose takes a number from 1 to 16")
	}
	return 0
}

// Yield is a scheduling point at which nothing happens.
//
//go:noinline
func Yield() {}

// Free says that the memory p points to is given back. An access to it from then on is a finding,
// "use after free", unless Config.Reuse hands it out again first.
func Free[T any](p *T) { free(addressOf(p), sizeOf(p)) }

//go:noinline
func free(addr, size uintptr) {}
