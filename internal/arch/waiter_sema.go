//go:build !purego

package arch

func park(w *Waiter, skip int) { semacquire(&w.sema, false, skip+1) }

func unpark(w *Waiter, handoff bool, skip int) { semrelease(&w.sema, handoff, skip+1) }
