package bench

import (
	_ "example.com/pvlock/machine/thread"
	_ "example.com/pvlock/result"
	_ "example.com/pvlock/torture" // want arrows: bench imports torture, which is not below it
)
