package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestTheFirstOfFindingEnvironmentAndInterruptCounts(t *testing.T) {
	var (
		bad  = finding{errors.New("two held it")}
		gone = errors.New("the CPU is gone")
	)
	for _, tt := range []struct {
		name string
		err  error
		code int
		say  string
	}{
		{"nothing", errors.Join(found(""), nil), 0, ""},
		{"a finding", errors.Join(bad, nil), 1, "two held it"},
		{"a finding, then the environment", errors.Join(bad, gone), 1,
			"two held it the CPU is gone"},
		{"the environment, then a finding", errors.Join(gone, bad), 1,
			"the CPU is gone two held it"},
		{"a finding, then an interrupt", errors.Join(bad, errInterrupted), 1,
			"two held it interrupted"},
		{"all three", errors.Join(errInterrupted, errors.Join(gone, bad)), 1,
			"interrupted the CPU is gone two held it"},
		{"the environment, in an interrupt", errors.Join(errInterrupted, gone), 2,
			"interrupted the CPU is gone"},
		{"an interrupt", errors.Join(nil, errInterrupted), 130, "interrupted"},
		{"an interrupt of what has nothing to show", fmt.Errorf("calibrate: %w", context.Canceled),
			130, "interrupted: calibrate: context canceled"},
		{"time", context.DeadlineExceeded, 2, "context deadline exceeded"},
	} {
		if got := exitCode(tt.err); got != tt.code {
			t.Errorf("%s: exit status %d, want %d", tt.name, got, tt.code)
		}
		if tt.err != nil && message(tt.err) != tt.say {
			t.Errorf("%s: %q, want %q", tt.name, message(tt.err), tt.say)
		}
	}
}
