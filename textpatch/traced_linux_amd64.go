//go:build !purego

package textpatch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// canLive returns an error if a debugger is attached to one of the process's threads: it keeps
// breakpoints for itself.
func canLive() error {
	files, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(files) == 0 {
		return fmt.Errorf("%w: whether a debugger is attached can't be read from /proc/self/task",
			ErrLive)
	}
	for _, name := range files {
		status, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // a thread that has ended
		}
		if err != nil {
			return fmt.Errorf("%w: whether a debugger is attached: %w", ErrLive, err)
		}
		_, after, _ := bytes.Cut(status, []byte("\nTracerPid:"))
		tracer, _, _ := bytes.Cut(bytes.TrimSpace(after), []byte("\n"))
		if string(tracer) != "0" {
			return fmt.Errorf("%w under a debugger: the one attached (TracerPid %s) would take "+
				"the breakpoints for its own", ErrLive, tracer)
		}
	}
	return nil
}
