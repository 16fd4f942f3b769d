package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// An output is a file that a result of type T is to be written to.
type output[T any] struct {
	name  string // "-" is stdout, "" none
	write func(w io.Writer, t T) error
}

// outputs are open files that wait for their result.
type outputs[T any] []openOutput[T]

// openOutput is where a result is written. A regular file is written beside the old one, and takes
// its name once it is whole: so the old one is there until the new one is, also on a disk that is
// full. A pipe or a device is written itself.
type openOutput[T any] struct {
	output[T]
	w      io.Writer
	file   *os.File // nil for stdout
	target string   // of the name that file will have; "" if file is the target itself
}

// openOutputs opens the files, before anything is measured. No two may be one file, and none may be
// stdout by another name than "-".
func openOutputs[T any](stdout io.Writer, wanted []output[T]) (outputs[T], error) {
	var open outputs[T]
	for _, o := range wanted {
		if o.name == "" {
			continue
		}
		to, err := openOne(stdout, o)
		if err == nil {
			err = open.collision(&to)
			open = append(open, to)
		}
		if err != nil {
			return nil, errors.Join(err, open.discard())
		}
	}
	return open, nil
}

func openOne[T any](stdout io.Writer, o output[T]) (openOutput[T], error) {
	to := openOutput[T]{output: o, w: stdout}
	if o.name == "-" {
		return to, nil
	}
	cant := func(err error) (openOutput[T], error) {
		return to, fmt.Errorf("can't write the result: %w", err)
	}
	mode := os.FileMode(0o666)
	to.target = o.name
	is, err := os.Stat(o.name)
	if err == nil {
		if out, err := os.Stdout.Stat(); err == nil && os.SameFile(is, out) &&
			is.Mode()&os.ModeCharDevice == 0 {
			return cant(
				fmt.Errorf("%s is where stdout goes: want - for stdout, or another file", o.name))
		}
		// A link stays one, to the new file.
		if to.target, err = filepath.EvalSymlinks(o.name); err != nil {
			return cant(err)
		}
		mode = is.Mode()
	}
	if !mode.IsRegular() {
		to.target = ""
		if to.file, err = os.OpenFile(o.name, os.O_WRONLY, 0); err != nil {
			return cant(err)
		}
		to.w = to.file
		return to, nil
	}
	part := fmt.Sprintf("%s.%08x.part", to.target, rand.Uint32())
	if to.file, err = os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL,
		mode.Perm()); err != nil {
		return cant(fmt.Errorf("a new file beside it: %w", err))
	}
	to.w = to.file
	return to, nil
}

// collision says whether a result would overwrite, or be mixed with, one of those that are open.
func (all outputs[T]) collision(to *openOutput[T]) error {
	for _, o := range all {
		switch {
		case o.name == "-" && to.name == "-":
			return errors.New("only one result can go to stdout (-)")
		case o.file == nil || to.file == nil:
		case o.target != "" && o.target == to.target,
			o.target != "" && to.target != "" && samePlace(o.target, to.target):
			return fmt.Errorf("can't write two results to one file, %s", to.name)
		case o.target == "" && to.target == "":
			a, errA := o.file.Stat()
			b, errB := to.file.Stat()
			if errA == nil && errB == nil && os.SameFile(a, b) && a.Mode()&os.ModeCharDevice == 0 {
				return fmt.Errorf("can't write two results to one pipe, %s", to.name)
			}
		}
	}
	return nil
}

// samePlace reports whether two names of files, which needn't be there yet, are of one.
func samePlace(a, b string) bool {
	if x, err := os.Stat(a); err == nil {
		y, err := os.Stat(b)
		return err == nil && os.SameFile(x, y)
	}
	x, errX := os.Stat(filepath.Dir(a))
	y, errY := os.Stat(filepath.Dir(b))
	return errX == nil && errY == nil && os.SameFile(x, y) && filepath.Base(a) == filepath.Base(b)
}

// write writes the result to all of them and closes them. One that can't be written doesn't keep
// the others from it.
func (all outputs[T]) write(t T) error {
	var errs []error
	for i := range all {
		if err := all[i].finish(t); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", all[i].name, err))
		}
	}
	return errors.Join(errs...)
}

func (o *openOutput[T]) finish(t T) error {
	err := o.write(o.w, t)
	if o.file == nil {
		return err
	}
	if o.target == "" {
		return errors.Join(err, o.file.Close())
	}
	if err == nil {
		err = o.file.Sync() // some file systems say only then that they are full
	}
	if err = errors.Join(err, o.file.Close()); err != nil {
		return errors.Join(err, os.Remove(o.file.Name()))
	}
	if err := os.Rename(o.file.Name(), o.target); err != nil {
		return fmt.Errorf("the result is in %s: %w", o.file.Name(), err)
	}
	return nil
}

// discard closes them, and removes those that were made.
func (all outputs[T]) discard() error {
	var errs []error
	for _, o := range all {
		if o.file != nil {
			errs = append(errs, o.file.Close())
		}
		if o.target != "" {
			errs = append(errs, os.Remove(o.file.Name()))
		}
	}
	return errors.Join(errs...)
}

// progressLine returns a function that shows one line on a terminal, each in place of the last; the
// empty one removes it. Where there is no terminal it shows nothing.
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
