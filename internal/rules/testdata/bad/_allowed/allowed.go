// Package allowed is a module of golang.org/x.
package allowed
