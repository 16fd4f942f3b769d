//go:build linux

package xen

import (
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Inspect tells what it can of the Xen beneath this domain. ok is false if there is none.
func Inspect() (info Info, ok bool) {
	const dir = "/sys/hypervisor/"
	read := func(name string) string {
		text, err := os.ReadFile(dir + name)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(text))
	}
	if read("type") != "xen" {
		return Info{}, false
	}
	if major, minor := read("version/major"), read("version/minor"); major != "" {
		info.Version = major + "." + minor + read("version/extra")
	}
	info.Guest = read("guest_type")
	if runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" {
		info.Scheduler = scheduler()
	}
	if err := Probe(); err != nil {
		info.Unusable = err.Error()
	}
	return info, true
}

// The part of <xen/privcmd.h> and of Xen's public/sysctl.h that tells the scheduler.
const (
	privcmd        = "/dev/xen/privcmd"
	ioctlHypercall = 0x305000 // _IOC(_IOC_NONE, 'P', 0, 48)
	hypercall      = 35       // __HYPERVISOR_sysctl
	sysctlSchedID  = 4
)

// Versions of the sysctl interface since this call came, in Xen 4.2, and room for those to come.
// Xen refuses all but its own, with EACCES.
const firstSysctl, lastSysctl = 0x9, 0x20

type privcmdHypercall struct {
	op  uint64
	arg [5]uint64
}

type sysctl struct {
	cmd, version uint32
	id           uint32
	_            [124]byte
}

// scheduler asks Xen, which answers a privileged domain only, and returns "" if it doesn't say.
func scheduler() string {
	fd, err := unix.Open(privcmd, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	// Xen reads and writes the memory by the domain's page tables: it must be there.
	mem, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_LOCKED|unix.MAP_POPULATE)
	if err != nil {
		return ""
	}
	defer func() { _ = unix.Munmap(mem) }()
	s := (*sysctl)(unsafe.Pointer(&mem[0]))
	for version := uint32(firstSysctl); version <= lastSysctl; version++ {
		*s = sysctl{cmd: sysctlSchedID, version: version}
		call := privcmdHypercall{op: hypercall, arg: [5]uint64{uint64(uintptr(unsafe.Pointer(s)))}}
		if _, err := ioctl(fd, ioctlHypercall, unsafe.Pointer(&call)); err == nil {
			return schedulers[s.id]
		}
	}
	return ""
}
