//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitFinding = 1
	exitUsage   = 2
)

// QEMU is killed when the thread that started it ends: that must be the program's own end.
func init() { runtime.LockOSThread() }

func main() {
	if os.Getpid() == 1 {
		dom0()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM,
		syscall.SIGHUP)
	code := testbed(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

type options struct {
	debs, json, benchfmt string
	duration, limit      time.Duration
	verbose              bool
}

func testbed(ctx context.Context, args []string) int {
	var o options
	f := flag.NewFlagSet("testbed", flag.ContinueOnError)
	f.StringVar(&o.debs, "debs", "",
		"keep the packages in `dir`, and take those that are there (default: fetch them, and "+
			"keep none)")
	f.StringVar(&o.json, "json", "", "write the result of the bench to a `file`")
	f.StringVar(&o.benchfmt, "benchfmt", "", "write it for benchstat to a `file`")
	f.DurationVar(&o.duration, "duration", time.Second,
		"how long each lock is measured, in each round at each overcommit")
	f.DurationVar(&o.limit, "limit", 5*time.Minute, "for how long the emulated machine may run")
	f.BoolVar(&o.verbose, "v", false, "show both consoles, and all output of the tests")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitUsage
	}
	if f.NArg() > 0 || o.duration <= 0 || o.limit <= 0 {
		fmt.Fprintln(os.Stderr, "testbed: want flags only, and times above 0; see -h")
		return exitUsage
	}
	bad, err := o.run(ctx)
	for _, b := range bad {
		fmt.Fprintln(os.Stderr, "testbed: FAIL:", b)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testbed:", err)
	}
	switch {
	case len(bad) > 0 || errors.Is(err, errLimit):
		return exitFinding
	case err != nil:
		return exitUsage
	}
	return 0
}

var errLimit = errors.New("the time was up")

// run does it all, and returns what is not as it should be.
func (o *options) run(ctx context.Context) (bad []string, err error) {
	began := time.Now()
	progress := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "testbed: %4.0fs  %s\n", time.Since(began).Seconds(),
			fmt.Sprintf(format, args...))
	}
	dir, err := os.MkdirTemp("", "pvlock-xen-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	debs, tree := o.debs, filepath.Join(dir, "tree")
	if debs == "" {
		debs = filepath.Join(dir, "debs")
	}
	for _, d := range []string{debs, tree} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	progress("fetching and unpacking QEMU, Xen and a kernel")
	p, err := fetch(ctx, debs, tree)
	if err != nil {
		return nil, err
	}
	progress("building dom0's file system")
	initramfs, err := buildGuest(ctx, dir, p)
	if err != nil {
		return nil, err
	}

	progress("booting %s on %d emulated CPUs", filepath.Base(p.xen), cpus)
	limited, cancel := context.WithTimeoutCause(ctx, o.limit,
		fmt.Errorf("%w: %v for the emulated machine; see -limit", errLimit, o.limit))
	defer cancel()
	console := new(bytes.Buffer)
	m := &emulated{parts: p, dir: dir, initramfs: initramfs, console: console,
		arguments: []string{"-duration", o.duration.String()}}
	if o.verbose {
		m.console = io.MultiWriter(console, os.Stderr)
	}
	v := &verdict{out: os.Stdout, verbose: o.verbose}
	err = m.run(limited, func(m *message) {
		v.heard(m)
		switch {
		case m.Boot != nil:
			progress("dom0 is up")
		case m.Step != nil:
			progress("%s: done", m.Step.Name)
		}
	})
	if err != nil {
		if !o.verbose && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "the last of the console:\n%s\n", last(console.Bytes(), 60))
		}
		return v.bad, err
	}
	bad = v.end()
	if err := o.keep(v); err != nil {
		return bad, err
	}
	progress("%d tests passed, %d findings; QEMU used %.0f s of CPU time", v.tests, len(bad),
		m.used.Seconds())
	return bad, nil
}

// keep writes the results that were asked for.
func (o *options) keep(v *verdict) error {
	if v.bench == nil {
		return nil
	}
	if o.json != "" {
		var out bytes.Buffer
		if err := v.bench.Write(&out); err != nil {
			return err
		}
		if err := os.WriteFile(o.json, out.Bytes(), 0o666); err != nil {
			return err
		}
	}
	if o.benchfmt != "" {
		return os.WriteFile(o.benchfmt, v.benchfmt, 0o666)
	}
	return nil
}

// last returns the last lines of a text.
func last(text []byte, lines int) []byte {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '\n' {
			if lines--; lines < 0 {
				return text[i+1:]
			}
		}
	}
	return text
}
