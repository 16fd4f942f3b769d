package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// checkFlags returns an error if a flag was given nothing, or something twice: both are slips of
// the user, and would silently mean something else. Nothing would be the default;
// what is measured twice would count as more rounds of one cell.
func checkFlags(set *pflag.FlagSet) (err error) {
	set.Visit(func(f *pflag.Flag) {
		values := valuesOf(f)
		for i, v := range values {
			switch {
			case err != nil:
			case strings.TrimSpace(v) == "":
				err = fmt.Errorf("--%s: an empty value: want one, or no --%s", f.Name, f.Name)
			case slices.Contains(values[:i], v):
				err = fmt.Errorf("--%s: %s is given twice", f.Name, v)
			}
		}
	})
	return err
}

// valuesOf returns the elements of a flag that is a list, or its one value.
func valuesOf(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		if values := list.GetSlice(); len(values) > 0 {
			return values
		}
		return []string{""}
	}
	if f.Value.Type() == listType {
		return strings.Split(f.Value.String(), ",")
	}
	return []string{f.Value.String()}
}

// requires returns an error if flags were given that another one gives their meaning, and that
// isn't.
func requires(set *pflag.FlagSet, other string, flags ...string) error {
	for _, f := range flags {
		if set.Changed(f) && !set.Changed(other) {
			return fmt.Errorf("--%s: want it with --%s", f, other)
		}
	}
	return nil
}

// excludes returns an error if flags were given that mean nothing beside another one.
func excludes(set *pflag.FlagSet, other string, flags ...string) error {
	for _, f := range flags {
		if set.Changed(f) && set.Changed(other) {
			return fmt.Errorf("--%s with --%s: want one of the two", f, other)
		}
	}
	return nil
}
