package spinlock

import _ "sync" // a front door is not twinned

var table func()
