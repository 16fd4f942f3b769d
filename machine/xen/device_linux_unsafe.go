//go:build linux

package xen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's interface to event channels, from <xen/evtchn.h>. All system calls of the channels
// are in this file.

const (
	ioctlBindInterdomain = 0x84501 // _IOC(_IOC_NONE, 'E', 1, 8)
	ioctlBindUnboundPort = 0x44502
	ioctlUnbind          = 0x44503
	ioctlNotify          = 0x44504

	// self is Xen's DOMID_SELF: whatever the number of this domain is.
	self = 0x7ff0
)

// A port is one end of an event channel, by its domain's number for it.
type port uint32

// open opens the device. What is bound with the descriptor is unbound when it is closed.
func open() (int, error) {
	for {
		fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		switch {
		case err == unix.EINTR:
			continue
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV),
			errors.Is(err, unix.ENXIO):
			return -1, errNoDevice(err)
		case errors.Is(err, fs.ErrPermission):
			return -1, fmt.Errorf("xen: this user may not open %s (%w): be root, or have it "+
				"given to you", device, err)
		case err != nil:
			return -1, fmt.Errorf("xen: opening %s: %w", device, err)
		}
		return fd, nil
	}
}

// ioctl is made with Syscall: the driver holds a mutex meanwhile, so it may block, and the
// collector must not wait for it.
func ioctl(fd int, request uintptr, arg unsafe.Pointer) (int, error) {
	for {
		r, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		switch errno {
		case 0:
			return int(r), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// bindUnbound makes a port whose other end this domain may bind.
func bindUnbound(fd int) (port, error) {
	remote := uint32(self)
	p, err := ioctl(fd, ioctlBindUnboundPort, unsafe.Pointer(&remote))
	if err != nil {
		return 0, fmt.Errorf("binding a port: %w", err)
	}
	return port(p), nil
}

// bindInterdomain makes the other end of a port of this domain.
func bindInterdomain(fd int, of port) (port, error) {
	arg := struct {
		domain uint32
		port   port
	}{self, of}
	p, err := ioctl(fd, ioctlBindInterdomain, unsafe.Pointer(&arg))
	if err != nil {
		return 0, fmt.Errorf("binding the other end of port %d: %w", of, err)
	}
	return port(p), nil
}

func unbind(fd int, p port) error {
	if _, err := ioctl(fd, ioctlUnbind, unsafe.Pointer(&p)); err != nil {
		return fmt.Errorf("unbinding port %d: %w", p, err)
	}
	return nil
}

// notify makes the port pending that p is the other end of.
func notify(fd int, p port) error {
	_, err := ioctl(fd, ioctlNotify, unsafe.Pointer(&p))
	return err
}

// take returns a port that is pending, and makes it not pending; it stays masked. ok is false if
// none is.
func take(fd int) (p port, ok bool) {
	var buf [4]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil || n != len(buf) {
		return 0, false
	}
	return port(binary.NativeEndian.Uint32(buf[:])), true
}

// unmask lets notifications of a port that was taken arrive again.
func unmask(fd int, p port) {
	var buf [4]byte
	binary.NativeEndian.PutUint32(buf[:], uint32(p))
	// It fails only for a descriptor that isn't open.
	_, _ = unix.Write(fd, buf[:])
}

// arrived reports whether a port is pending, and waits for that for at most so many milliseconds;
// forever is without end. The Go runtime's own signals interrupt it at any time: it begins again.
func arrived(fd, milliseconds int) bool {
	for {
		fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		switch n, err := unix.Poll(fds[:], milliseconds); {
		case err == unix.EINTR:
			continue
		default:
			return err == nil && n == 1 && fds[0].Revents&unix.POLLIN != 0
		}
	}
}

const forever = -1
