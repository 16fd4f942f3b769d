package paravirt

import _ "example.com/pvlock/spinlock" // want arrows: paravirt imports spinlock, which is not below it; want arrows: paravirt depends on example.org/foreign
