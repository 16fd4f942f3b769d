//go:build linux && amd64

package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// emulated is a machine that boots Xen.
type emulated struct {
	parts
	dir       string // for its files
	initramfs string
	arguments []string // of dom0's init
	console   io.Writer
	// used is the CPU time that QEMU has used, when run has returned.
	used time.Duration
}

const (
	cpus        = 2
	memoryMB    = 1024
	dom0MB      = 768
	killedGrace = 5 * time.Second
)

// commandLine returns QEMU's arguments. Messages is the socket of the second serial port.
func (e *emulated) commandLine(xen, messages string) []string {
	// SMAP and SMEP crash dom0 on the emulated CPU. What protects a real machine from its programs
	// only costs time. Xen's clock differs between CPUs by milliseconds when the emulator's threads
	// lose their CPUs as Xen sets it; their time-stamp counters are one and the same.
	const (
		model    = "max,-smap,-smep"
		xenArgs  = "console=com1 com1=115200 loglvl=warning spec-ctrl=no xpti=no"
		dom0Args = "console=hvc0 rdinit=/init panic=1 loglevel=4 mitigations=off clocksource=tsc " +
			"tsc=reliable"
	)
	args := []string{
		"-M", "q35", "-accel", "tcg,thread=multi", "-cpu", model,
		"-smp", fmt.Sprint(cpus), "-m", fmt.Sprint(memoryMB),
		"-display", "none", "-vga", "none", "-nic", "none", "-monitor", "none", "-no-reboot",
		"-serial", "stdio", "-serial", "unix:" + messages,
		"-kernel", xen, "-append", fmt.Sprintf("%s dom0_mem=%dM", xenArgs, dom0MB),
		"-initrd", fmt.Sprintf("%s %s -- %s,%s", e.kernel, dom0Args,
			strings.ReplaceAll(strings.Join(e.arguments, " "), ",", ",,"), e.initramfs),
	}
	if e.tree != "" {
		for _, data := range []string{"qemu", "seabios"} {
			args = append(args, "-L", filepath.Join(e.tree, "usr/share", data))
		}
	}
	return args
}

// run boots the machine and gives each of dom0's messages to heard, until the last. It ends the
// machine in any case.
func (e *emulated) run(ctx context.Context, heard func(*message)) error {
	xen := filepath.Join(e.dir, "xen")
	if err := gunzip(e.xen, xen); err != nil {
		return err
	}
	socket := filepath.Join(e.dir, "messages")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	defer listener.Close()

	ctx, end := context.WithCancel(ctx)
	defer end()
	cmd := exec.CommandContext(ctx, e.qemu, e.commandLine(xen, socket)...)
	cmd.Stdout, cmd.Stderr = e.console, e.console
	cmd.WaitDelay = killedGrace
	// A group of its own: Ctrl-C is ours, and not QEMU's as well. And if we are killed, so is it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if e.tree != "" {
		lib := func(dirs ...string) string {
			for i, d := range dirs {
				dirs[i] = filepath.Join(e.tree, d)
			}
			return strings.Join(dirs, ":")
		}
		cmd.Env = append(os.Environ(),
			"LD_LIBRARY_PATH="+lib("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"),
			"QEMU_MODULE_DIR="+lib("usr/lib/x86_64-linux-gnu/qemu"))
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting QEMU: %w", err)
	}
	exited := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		e.used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		listener.Close()
		exited <- err
	}()
	done, err := receive(listener, heard)
	if done {
		// It is about to switch itself off; that is of no interest.
		end()
	}
	exit := <-exited
	switch {
	case done:
		return nil
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case err != nil && !errors.Is(err, net.ErrClosed):
		return fmt.Errorf("dom0's messages: %w", err)
	}
	return fmt.Errorf("the machine ended before dom0 was done (QEMU: %v)", exit)
}

// receive reads messages until the last one.
func receive(listener net.Listener, heard func(*message)) (done bool, err error) {
	conn, err := listener.Accept()
	if err != nil {
		return false, err
	}
	defer conn.Close()
	for d := json.NewDecoder(conn); ; {
		m := new(message)
		if err := d.Decode(m); err != nil {
			return false, err
		}
		if m.Done {
			return true, nil
		}
		heard(m)
	}
}

// gunzip unpacks a file, which QEMU doesn't for a multiboot kernel.
func gunzip(from, to string) (err error) {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, z)
	return errors.Join(err, out.Close())
}
