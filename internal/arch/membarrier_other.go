//go:build !linux

package arch

import "errors"

func registerMembarrier() error { return errors.New("membarrier: Linux only") }

func callMembarrier() error { return errors.New("membarrier: Linux only") }
