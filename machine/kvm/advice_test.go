//go:build linux && amd64 && !purego && !race

package kvm

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheAdviceFitsTheErrorTheUserAndTheDevice(t *testing.T) {
	rootOnly := owner{0, 0, os.ModeDevice | os.ModeCharDevice | 0o600, true}
	group := owner{0, 0xfffff0, os.ModeDevice | os.ModeCharDevice | 0o660, true}
	for _, c := range []struct {
		err   syscall.Errno
		uid   int
		dev   owner
		want  string
		never string
	}{
		{unix.ENOENT, 1000, owner{}, "load the module", "group"},
		{unix.ENXIO, 0, rootOnly, "nothing is behind the device", "group"},
		{unix.ENODEV, 0, rootOnly, "nothing is behind the device", "group"},
		{unix.EACCES, 1000, group, "join the group that owns it, 16777200", "udev"},
		{unix.EACCES, 1000, rootOnly, "only its owner may, as it is root:root and 0600", ""},
		{unix.EACCES, 1000, owner{0, 0xfffff0, 0o600, true}, "only its owner may", ""},
		{unix.EACCES, 1000, owner{}, "have its owner allow", ""},
		{unix.EACCES, 0, rootOnly, "security module", "group"},
		{unix.EPERM, 0, rootOnly, "a policy on devices", "group"},
		{unix.EPERM, 1000, group, "a policy on devices", "group"},
		{unix.EISDIR, 0, rootOnly, "directory", "group"},
		{unix.EMFILE, 0, rootOnly, "open files", "group"},
		{unix.EIO, 0, rootOnly, "other programs", "group"},
	} {
		// As a system call's error comes: wrapped.
		have := adviceOnOpen(fmt.Errorf("open: %w", c.err), c.uid, c.dev)
		if !strings.Contains(have, c.want) || c.never != "" && strings.Contains(have, c.never) ||
			strings.Contains(have, "\n") {
			t.Errorf("%v as %d of %+v: %q, want %q", c.err, c.uid, c.dev, have, c.want)
		}
	}
	for errno, want := range map[syscall.Errno]string{
		unix.EBUSY: "another hypervisor", unix.EPERM: "a policy", unix.EACCES: "a policy",
		unix.ENOMEM: "memory", unix.EMFILE: "open files",
		unix.ENOTTY: "not KVM's device", unix.EINVAL: "nested virtualisation",
		unix.EOPNOTSUPP: "nested virtualisation",
	} {
		if have := adviceOnVM(errno); !strings.Contains(have, want) {
			t.Errorf("%v: %q, want %q", errno, have, want)
		}
	}
}

func TestAVCPUThatTheKernelNoLongerRunsEndsAndDoesNotLookAtItsLastExit(t *testing.T) {
	// The last exit was to wait: where there is a doorbell, to serve it again is to block for ever.
	cpu := &vcpu{fd: -1, bell: -1, bells: 1 << 30,
		page: &runPage{reason: exitMMIO, write: 1, gpa: 1 << 30}}
	if done, errno := cpu.guest(); done || errno != syscall.EBADF {
		t.Errorf("done %v, errno %v; want %v", done, errno, syscall.EBADF)
	}
	if cpu.exits[exitToWait] != 0 {
		t.Error("the last exit was served again")
	}
}

func TestWhatIsAtDevKVMIsSaid(t *testing.T) {
	const asChild = "KVM_TEST_PROBE"
	if os.Getenv(asChild) != "" {
		fmt.Println("probed:", Probe())
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIP: devices in a namespace of mounts need root")
	}
	if out, err := exec.Command("unshare", "-m", "sh", "-c",
		"mount -t tmpfs none /dev && mknod /dev/x c 1 3 && : >/dev/x").
		CombinedOutput(); err != nil {
		t.Skipf("SKIP: no devices in a namespace of mounts: %v: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, script, want string }{
		{"nothing", `:`, "load the module"},
		{"another device", `mknod /dev/kvm c 1 3`, "is not KVM's device"},
		{"a file", `: >/dev/kvm`, "is not KVM's device"},
		{"a directory", `mkdir /dev/kvm`, "it is a directory"},
		{"a device that nobody serves", `mknod /dev/kvm c 10 231`, "nothing is behind the device"},
		{"a mount without devices", `mknod /dev/kvm c 1 3; mount -o remount,nodev /dev`,
			"a mount with nodev"},
		{"another user",
			`mknod -m 600 /dev/kvm c 1 3; set setpriv --reuid 65534 --regid 65534 --clear-groups`,
			"only its owner may, as it is root:root and 0600"},
		{"another group",
			`mknod -m 660 /dev/kvm c 1 3; chgrp 12345 /dev/kvm; set setpriv --reuid 65534 ` +
				`--regid 65534 --clear-groups`, "join the group that owns it, 12345"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := exec.LookPath("setpriv"); err != nil &&
				strings.Contains(c.script, "setpriv") {
				t.Skip("SKIP: ", err)
			}
			// The test's own binary may be where the other user can't reach it, and is open
			// already.
			cmd := exec.Command("unshare", "-m", "sh", "-ec",
				"mount -t tmpfs none /dev; set --; "+c.script+
					"; \"$@\" /proc/self/fd/3 -test.run '^"+t.Name()[:strings.Index(t.Name(), "/")]+
					"$' 3<\"$SELF\"")
			cmd.Env = append(os.Environ(), asChild+"=1", "SELF="+self)
			out, err := cmd.CombinedOutput()
			line := ""
			for l := range strings.Lines(string(out)) {
				if strings.HasPrefix(l, "probed: ") {
					line = l
				}
			}
			if err != nil || !strings.Contains(line, c.want) {
				t.Errorf("%v: %q, want %q\n%s", err, line, c.want, out)
			}
		})
	}
}
