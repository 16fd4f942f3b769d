package explore

import (
	"runtime/debug"
	"strings"
	"testing"
)

// covered reports whether this binary counts what is executed.
func covered() bool { return testing.CoverMode() != "" }

// unoptimised reports whether this binary is built without optimisation.
func unoptimised() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-gcflags" {
			flags := strings.FieldsFunc(s.Value, func(r rune) bool {
				return r == ' ' || r == '=' || r == '"' || r == '\''
			})
			for _, f := range flags {
				if f == "-N" {
					return true
				}
			}
		}
	}
	return false
}
