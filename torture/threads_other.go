//go:build !linux

package torture

import (
	"context"
	"errors"
)

func threads() (all []int, vcpu map[int]bool) { return nil, nil }

func signalThreads(context.Context, *scene) {}

func mayMove() error { return errors.ErrUnsupported }

func moveThreads(context.Context, *scene) {}
