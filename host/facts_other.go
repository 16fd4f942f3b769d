//go:build !linux

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
)

// root holds nothing: outside Linux nobody fills /proc and /sys.
func root() fs.FS { return nowhere{} }

type nowhere struct{}

func (nowhere) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: "/" + name, Err: unsupported()}
}

func affinity() ([]int, error) { return nil, unsupported() }

func unsupported() error {
	return fmt.Errorf("%w on %s: pvlock asks Linux only", errors.ErrUnsupported, runtime.GOOS)
}
