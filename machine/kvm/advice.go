//go:build linux && amd64 && !purego && !race

package kvm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// An owner is whose a device is.
type owner struct {
	uid, gid uint32
	mode     fs.FileMode
	known    bool
}

// deviceOwner returns whose /dev/kvm is.
func deviceOwner() owner {
	info, err := os.Stat("/dev/kvm")
	if err != nil {
		return owner{}
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return owner{s.Uid, s.Gid, info.Mode(), true}
	}
	return owner{}
}

// adviceOnOpen says what to do if /dev/kvm can't be opened by a user.
func adviceOnOpen(err error, uid int, dev owner) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "load the module kvm_intel or kvm_amd; if this is a virtual machine or a " +
			"container, have the device given to it"
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return "nothing is behind the device: load the module kvm_intel or kvm_amd; if this is a " +
			"virtual machine, have nested virtualisation switched on for it"
	case errors.Is(err, unix.EPERM):
		return "a policy on devices refuses it to every user: have the container given the " +
			"device (--device /dev/kvm), or the service allowed it (DeviceAllow=)"
	case errors.Is(err, unix.EACCES) && uid == 0:
		return "not its owner refuses it but a mount with nodev, a user namespace, or a security " +
			"module such as SELinux or AppArmor: look into the kernel's log"
	case errors.Is(err, unix.EACCES):
		return adviceOnOwner(dev)
	case errors.Is(err, unix.EISDIR):
		return "it is a directory: have the device made, which has the number 10, 232"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "raise the limit on open files"
	}
	return "see whether other programs can"
}

// adviceOnOwner says what to do if the owner's or the group's rights are lacking.
func adviceOnOwner(dev owner) string {
	switch {
	case !dev.known:
		return "have its owner allow this user to read and write it"
	case dev.mode&0o060 != 0o060 || dev.gid == 0:
		return fmt.Sprintf("only its owner may, as it is %s:%s and %04o: have it made %s and "+
			"0660 by a udev rule, and join that "+
			"group", userName(dev.uid), groupName(dev.gid), dev.mode.Perm(), "root:kvm")
	}
	return "join the group that owns it, " + groupName(dev.gid) + ", and log in again"
}

func userName(uid uint32) string {
	id := strconv.Itoa(int(uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.Itoa(int(gid))
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

// adviceOnVM says what to do if the device makes no virtual machine, or no vCPU.
func adviceOnVM(err error) string {
	switch {
	case errors.Is(err, unix.EBUSY):
		return "another hypervisor has the processor's virtualisation, such as VirtualBox or " +
			"VMware: stop its machines, or unload its module"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "a policy refuses it, such as a seccomp filter or a security module: have the " +
			"sandbox allow KVM's ioctls"
	case errors.Is(err, unix.ENOMEM):
		return "free some memory, or raise the control group's limit"
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return "raise the limit on open files"
	case errors.Is(err, unix.ENOTTY):
		return "it is not KVM's device: have the right one made, which has the number 10, 232"
	}
	return "if this is a virtual machine itself, have nested virtualisation switched on for it; " +
		"else have virtualisation switched on in the firmware"
}
