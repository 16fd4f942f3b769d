package main

import (
	"context"
	"errors"
	"strings"
	"unicode"

	"example.com/pvlock/result"
)

// Exit codes. Where several apply the first one counts: a finding stays one if the environment
// fails after it.
const (
	exitFinding     = 1 // something is wrong: a violation, a lock that hangs
	exitUsage       = 2 // what was asked for can't be done: a bad flag, or the environment refused
	exitInterrupted = 128 + 2
)

// finding is an error that is a result: the command worked, and what it found is bad.
type finding struct{ error }

// errInterrupted is the error of a command that the user stopped, and that has shown what there was
// by then.
var errInterrupted = errors.New("interrupted")

// found makes what is wrong, in a line, a finding; "" is nothing wrong.
func found(bad string) error {
	if bad == "" {
		return nil
	}
	return finding{errors.New(bad)}
}

// ended makes the end of a measurement that was cut short an error.
func ended(e result.Ending) error {
	switch {
	case e.Failed != "":
		return errors.New(e.Failed)
	case e.Interrupted:
		return errInterrupted
	}
	return nil
}

// exitCode is the status of a command that returned err.
func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(finding)):
		return exitFinding
	case interruptedOnly(err):
		return exitInterrupted
	}
	return exitUsage
}

func interruptedOnly(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			if !interruptedOnly(e) {
				return false
			}
		}
		return true
	}
	return errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled)
}

// message writes an error as a line, whatever is in what was asked for.
func message(err error) string {
	line := strings.Join(
		strings.FieldsFunc(err.Error(),
			func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if exitCode(err) == exitInterrupted && !strings.Contains(line, errInterrupted.Error()) {
		line = errInterrupted.Error() + ": " + line
	}
	return line
}
