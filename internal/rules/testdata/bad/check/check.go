package check

import _ "example.com/pvlock/internal/twin/spinlock"
