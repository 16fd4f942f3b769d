//go:build purego

package arch

func park(w *Waiter, _ int) { <-w.token }

func unpark(w *Waiter, handoff bool, _ int) { Core{}.UnparkUntil(w, handoff) }
