package spinlock

import _ "unsafe" // twinned text may, in a file that says so
