package relay

import _ "example.com/pvlock/spinlock" // want arrows: machine/relay depends on spinlock: a machine knows no lock
