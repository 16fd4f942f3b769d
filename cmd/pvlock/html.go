package main

import (
	"io"

	"github.com/spf13/pflag"

	"example.com/pvlock/report"
)

// htmlFlag is the flag --html of a command that makes a result.
func htmlFlag(f *pflag.FlagSet, file *string) {
	f.StringVar(file, "html", "",
		"write a page about it to a `file`, - for stdout (then nothing else is printed there)")
}

// writePage writes the page about one result, of any kind that [report.Write] knows.
func writePage[T any](w io.Writer, r T) error {
	return report.Write(w, []report.File{{Result: r}})
}

// onStdout says whether one of the files is stdout, so that nothing else may be printed there.
func onStdout(files ...string) bool {
	for _, f := range files {
		if f == "-" {
			return true
		}
	}
	return false
}
