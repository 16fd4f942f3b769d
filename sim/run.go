package sim

import (
	"context"
	"errors"

	"example.com/pvlock/result"
)

// Run simulates one cell. The run's Cell, Series, Setting and plot values that are about the sweep are the
// caller's to fill in.
func Run(ctx context.Context, cfg Config) (result.SimRun, *result.Timeline, error) {
	return result.SimRun{}, nil, errors.New("the simulator has no engine yet")
}
