//go:build linux && (386 || arm64) && !purego

package textpatch

import (
	"fmt"
	"runtime"
)

func liveWriter(memory, []Edit) (func([]Edit) error, error) {
	return nil, fmt.Errorf("%w on %s: only what nobody runs can be changed", ErrLive, runtime.GOARCH)
}
