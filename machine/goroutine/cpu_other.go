//go:build !unix

package goroutine

import "time"

// processCPU is not known here.
func processCPU() time.Duration { return 0 }
