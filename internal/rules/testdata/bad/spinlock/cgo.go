//go:build plan9

package spinlock

import "C" // want twinned: imports C
