package spinlock

import (
	_ "errors"
	_ "math/bits"

	_ "example.com/pvlock/host" // want arrows: spinlock imports host, which is not below it; want twinned: imports example.com/pvlock/host
	_ "example.com/pvlock/internal/arch"
	_ "example.org/foreign" // want arrows: spinlock depends on example.org/foreign; want twinned: imports example.org/foreign
)
