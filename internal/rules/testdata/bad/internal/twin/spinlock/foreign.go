// This file was written by hand.

package spinlock // want generated: is not generated
