//go:build linux && amd64

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

const module = "example.com/pvlock"

// programs are what runs in dom0, by where it is found there: the go command that builds it.
var programs = []struct{ name, verb, pkg string }{
	{"init", "build", module + "/machine/xen/testbed"},
	{"bin/xen.test", "test -c", module + "/machine/xen"},
	{"bin/pvlock", "build", module + "/cmd/pvlock"},
}

// buildGuest makes dom0's first and only file system, in dir, and returns its name.
func buildGuest(ctx context.Context, dir string, p parts) (initramfs string, err error) {
	initramfs = filepath.Join(dir, "initramfs")
	f, err := os.Create(initramfs)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	c := &cpio{w: f}
	for _, name := range []string{"bin", "dev", "lib", "proc", "sys", "tmp"} {
		c.dir(name)
	}
	c.device("dev/console", 5, 1)
	for _, program := range programs {
		binary := filepath.Join(dir, path.Base(program.name))
		if err := goBuild(ctx, program.verb, program.pkg, binary); err != nil {
			return "", err
		}
		text, err := os.ReadFile(binary)
		if err != nil {
			return "", err
		}
		c.file(program.name, 0o755, text)
	}
	for _, module := range p.modules {
		text, err := os.ReadFile(module)
		if err != nil {
			return "", err
		}
		c.file("lib/"+filepath.Base(module), 0o644, text)
	}
	return initramfs, c.close()
}

// goBuild builds a static program.
func goBuild(ctx context.Context, verb, pkg, binary string) error {
	args := append(strings.Fields(verb), "-ldflags=-s -w", "-o", binary, pkg)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &out)
	}
	return nil
}
