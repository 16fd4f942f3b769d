package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// An output is a file that a result of type T is to be written to.
type output[T any] struct {
	name  string // "-" is stdout, "" none
	write func(w io.Writer, t T) error
}

// outputs are open files that wait for their result.
type outputs[T any] []openOutput[T]

type openOutput[T any] struct {
	output[T]
	w    io.Writer
	file *os.File // nil for stdout
	new  bool     // the file was not there before
}

// openOutputs opens the files, before anything is measured. No two may be stdout.
func openOutputs[T any](stdout io.Writer, wanted []output[T]) (outputs[T], error) {
	var open outputs[T]
	dash := false
	for _, o := range wanted {
		switch {
		case o.name == "":
			continue
		case o.name == "-" && dash:
			return nil, errors.Join(errors.New("only one result can go to stdout (-)"), open.discard())
		case o.name == "-":
			dash = true
			open = append(open, openOutput[T]{output: o, w: stdout})
			continue
		}
		_, statErr := os.Stat(o.name)
		// What is in it stays until there is something better.
		f, err := os.OpenFile(o.name, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("can't write the result: %w", err), open.discard())
		}
		open = append(open, openOutput[T]{output: o, w: f, file: f, new: statErr != nil})
	}
	return open, nil
}

// write writes the result to all of them and closes them.
func (all outputs[T]) write(t T) error {
	var errs []error
	for _, o := range all {
		if o.file != nil {
			// A pipe or a device can't be cut, and needn't be.
			_ = o.file.Truncate(0)
		}
		err := o.write(o.w, t)
		if o.file != nil {
			err = errors.Join(err, o.file.Close())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", o.name, err))
		}
	}
	return errors.Join(errs...)
}

// discard closes them, and removes those that were made.
func (all outputs[T]) discard() error {
	var errs []error
	for _, o := range all {
		if o.file != nil {
			errs = append(errs, o.file.Close())
		}
		if o.new {
			errs = append(errs, os.Remove(o.name))
		}
	}
	return errors.Join(errs...)
}

// progressLine returns a function that shows one line on a terminal, each in place of the last; the empty
// one removes it. Where there is no terminal it shows nothing.
func progressLine(f *os.File) func(format string, args ...any) {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(string, ...any) {}
	}
	shown := 0
	return func(format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		fmt.Fprintf(f, "\r%s%s", line, strings.Repeat(" ", max(shown-len(line), 0)))
		if line == "" {
			fmt.Fprint(f, "\r")
		}
		shown = len(line)
	}
}
