//go:build !linux

package bench

import "errors"

type instructions struct{}

func countInstructions() (instructions, error) { return instructions{}, errors.ErrUnsupported }

func (instructions) read() uint64 { return 0 }
func (instructions) close()       {}
