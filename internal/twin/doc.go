// Package twin holds the twin of the lock text: the sources of spinlock and
// paravirt, word for word, compiled against a modelled arch in which every access to
// shared memory is an event on a simulated CPU. The model checker and the
// simulator run it.
//
// The twin is generated and committed. A test fails when it is stale.
package twin

//go:generate go run ./gen
