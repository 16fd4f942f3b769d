package spinlock

import _ "testing" // nor is a test

var state int
