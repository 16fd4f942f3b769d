//go:build plan9

package spinlock

import _ "os" // want twinned: imports os

//go:linkname nanotime runtime.nanotime // want twinned: linkname
func nanotime() int64 // want twinned: function without a body
