// Package native executes single instructions on the processor, for the test that compares it with
// the interpreter.
package native
