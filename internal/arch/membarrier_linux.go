package arch

import (
	"fmt"
	"syscall"
)

const (
	membarrierPrivateExpedited         = 1 << 3
	membarrierRegisterPrivateExpedited = 1 << 4
)

func registerMembarrier() error {
	if sysMembarrier == 0 {
		return fmt.Errorf("membarrier: no system call number on this architecture")
	}
	if errno := blockingSyscall(sysMembarrier, membarrierRegisterPrivateExpedited); errno != 0 {
		return fmt.Errorf("membarrier: register: %w", errno)
	}
	return nil
}

func callMembarrier() error {
	if _, _, errno := syscall.RawSyscall(sysMembarrier, membarrierPrivateExpedited, 0,
		0); errno != 0 {
		return fmt.Errorf("membarrier: %w", errno)
	}
	return nil
}
