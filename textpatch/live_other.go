//go:build linux && (386 || arm64) && !purego

package textpatch

import (
	"fmt"
	"runtime"
)

func canLive() error { return fmt.Errorf("%w on %s", ErrLive, runtime.GOARCH) }

func readyLive([]Edit) error { return ErrLive }

func (memory) writeLive([]Edit, afterError) error { return ErrLive }
