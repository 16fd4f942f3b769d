// Package foreign is another module's.
package foreign
