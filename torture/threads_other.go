//go:build !linux

package torture

import "context"

func threads() (all []int, vcpu map[int]bool) { return nil, nil }

func signalThreads(context.Context, *scene) {}

func moveThreads(context.Context, *scene) {}
