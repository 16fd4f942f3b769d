//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/pvlock/host"
	"example.com/pvlock/machine/xen"
)

// messagesPort is where dom0 speaks to the test bed. The first serial port is Xen's.
const messagesPort = "/dev/ttyS1"

// dom0 is the init of the emulated machine. It never returns.
func dom0() {
	err := serve()
	if err != nil {
		fmt.Println("testbed: dom0:", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func serve() error {
	for _, m := range []struct{ what, where, kind string }{
		{"dev", "/dev", "devtmpfs"}, {"proc", "/proc", "proc"}, {"sys", "/sys", "sysfs"},
		{"tmp", "/tmp", "tmpfs"},
	} {
		if err := unix.Mount(m.what, m.where, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.where, err)
		}
	}
	port, err := os.OpenFile(messagesPort, os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	if err := raw(port); err != nil {
		return fmt.Errorf("%s: %w", messagesPort, err)
	}
	say := json.NewEncoder(port)
	if err := work(say); err != nil {
		err = say.Encode(message{Failed: err.Error()})
		return errors.Join(err, say.Encode(message{Done: true}))
	}
	return say.Encode(message{Done: true})
}

// raw makes a terminal pass on what is written to it as it is.
func raw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ICANON
	t.Cflag = t.Cflag&^unix.CBAUD | unix.B115200
	return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}

func work(say *json.Encoder) error {
	flags := flag.NewFlagSet("init", flag.ContinueOnError)
	duration := flags.Duration("duration", time.Second, "")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	modules, err := filepath.Glob("/lib/*.ko*")
	if err != nil {
		return err
	}
	for _, m := range modules {
		if err := load(m); err != nil {
			return fmt.Errorf("loading %s: %w", m, err)
		}
	}
	b := &boot{Kernel: kernelLog("spinlock", "Hypervisor detected", "Booting paravirtualized",
		"Xen version", "smp: Brought up")}
	b.Facts = host.Collect()
	b.Xen, _ = xen.Inspect()
	if err := say.Encode(message{Boot: b}); err != nil {
		return err
	}
	for _, s := range []struct {
		name    string
		command []string
		files   []string
	}{
		{stepDoctor, []string{"/bin/pvlock", "doctor", "--interval", "100ms"}, nil},
		{stepTests, []string{"/bin/xen.test", "-test.v", "-test.timeout=210s"}, nil},
		{stepBench, []string{"/bin/pvlock", "bench", "--on", "xen", "--locks",
			strings.Join(benchLocks, ","), "--overcommit", benchOvercommit, "--rounds", "2",
			"--duration", duration.String(), "--json", "/tmp/bench.json", "--benchfmt",
			"/tmp/bench.txt"}, []string{"/tmp/bench.json", "/tmp/bench.txt"}},
	} {
		if err := say.Encode(message{Step: run(s.name, s.command, s.files)}); err != nil {
			return err
		}
	}
	return nil
}

// load loads a module of the kernel.
func load(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := 0
	if !strings.HasSuffix(file, ".ko") {
		flags = unix.MODULE_INIT_COMPRESSED_FILE
	}
	return unix.FinitModule(int(f.Fd()), "", flags)
}

// kernelLog returns the lines of the kernel's log that have one of the words.
func kernelLog(words ...string) (lines []string) {
	const readAll = 3
	buf := make([]byte, 1<<20)
	n, err := unix.Klogctl(readAll, buf)
	if err != nil {
		return []string{"the kernel's log can't be read: " + err.Error()}
	}
	for line := range strings.Lines(string(buf[:n])) {
		for _, word := range words {
			if strings.Contains(line, word) {
				lines = append(lines, strings.TrimSpace(line))
				break
			}
		}
	}
	return lines
}

// run runs a program.
func run(name string, command, files []string) *step {
	s := &step{Name: name, Command: command, Files: make(map[string]packed)}
	began := time.Now()
	var out bytes.Buffer
	cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
	cmd.Dir = "/tmp"
	cmd.Env = []string{"PATH=/bin", "HOME=/tmp", "TMPDIR=/tmp"}
	// The console has it as well: it is all that is left of a step that doesn't end.
	both := io.MultiWriter(&out, os.Stdout)
	cmd.Stdout, cmd.Stderr = both, both
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		fmt.Fprintln(&out, err)
		s.Exit = -1
	} else {
		s.Exit = cmd.ProcessState.ExitCode()
	}
	s.Seconds, s.Output = time.Since(began).Seconds(), out.Bytes()
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			s.Files[filepath.Base(file)] = text
		}
	}
	return s
}
