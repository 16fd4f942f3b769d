package spinlock

import (
	_ "sync/atomic" // want twinned: imports sync/atomic
	_ "time"        // want twinned: imports time
	_ "unsafe"      // want twinned: imports unsafe; want unsafe: imports unsafe
)

var last int64 // want twinned: package variable

var (
	a, b = 1, 2                      // want twinned: package variable
	_    = func() int { return 1 }() // want twinned: package variable
)

func init() { last = 1 } // want twinned: init function

func wait(
	c chan int, // want twinned: channel
	m map[int]int, // want twinned: map
) {
	go wait(c, m) // want twinned: go statement
	c <- a        // want twinned: send
	<-c           // want twinned: receive
	select {}     // want twinned: select
}

func fine() {
	var v int
	type local struct{ v int }
	_ = local{v + b}
}
