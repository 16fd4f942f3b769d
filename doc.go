// Package pvlock has a mutex and a spinlock for Go programs on machines that are
// shared: where whoever holds a lock may not be running.
package pvlock
