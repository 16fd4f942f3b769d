// Package twin holds the twin of the lock text: the sources of spinlock, paravirt and the root
// package's mutex, word for word, compiled against a modelled arch in which every access to shared
// memory is an event on a simulated CPU. The model checker and the simulator run it.
//
// The twin is generated and committed. A test fails when it is stale.
package twin

import "embed"

// Text is the text of the twin.
//
//go:embed mutex/*.go paravirt/*.go spinlock/*.go
var Text embed.FS

//go:generate go run ./gen

// A Use says that of the result of the operation At, a file:line:method of the lock
// text, not all is used: what the CPU does next depends on no more.
type Use struct {
	At    string
	How   How
	Value uint64
}

// How is how little is used.
type How uint8

// How results are used.
const (
	Used          How = iota
	Unused            // not at all
	ComparedToOld     // it is compared to what a compare-and-exchange expected
	Compared          // it is compared to Value
)
