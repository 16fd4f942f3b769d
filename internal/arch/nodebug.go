//go:build !pvlockdebug

package arch

// Debug says whether locks check how they are used, in the fast paths too.
const Debug = false
