package thread

import _ "example.com/pvlock/machine/relay" // want arrows: machine/thread depends on spinlock: a machine knows no lock
