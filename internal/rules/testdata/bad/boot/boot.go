// Package boot does what it claims: TestThatNobodyEverWrote. want named: names TestThatNobody
package boot

import (
	_ "example.com/pvlock/textpatch"
	_ "example.org/foreign" // want arrows: boot depends on example.org/foreign: it may on the standard library and golang.org/x/ alone
)
