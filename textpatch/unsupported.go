//go:build !linux || !(amd64 || 386 || arm64) || purego

package textpatch

import (
	"errors"
	"fmt"
	"runtime"
)

// Supported says whether there is patching in this build.
const Supported = false

var errHere = fmt.Errorf("textpatch: no patching in a build for %s/%s, or with the tag purego: %w",
	runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)

// Calls returns an error here.
func Calls(targets ...uintptr) (sites, unsure []Site, err error) { return nil, nil, errHere }

func write([]Edit, When) (touched bool, err error) { return false, errHere }
func encodeCall(Site, uintptr) ([]byte, error)     { return nil, errHere }
func encodeNop(Site) ([]byte, error)               { return nil, errHere }
func encodeStoreZero() ([]byte, error)             { return nil, errHere }

// Disassemble returns an error here.
func Disassemble(addr uintptr, n int) ([]Line, error) { return nil, errHere }
