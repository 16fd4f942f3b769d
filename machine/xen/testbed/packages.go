//go:build linux && amd64

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// parts are what is needed of the packages, as files.
type parts struct {
	qemu string
	// tree is where QEMU was unpacked; "" if it is the system's.
	tree    string
	xen     string
	kernel  string
	modules []string
}

// fetch brings the packages to a directory, those that aren't there, and unpacks what is needed of
// them below tree.
func fetch(ctx context.Context, debs, tree string) (parts, error) {
	p := parts{}
	if installed, err := exec.LookPath("qemu-system-x86_64"); err == nil {
		p.qemu = installed
	}
	missing, err := missingPackages(ctx, debs, p.qemu == "")
	if err != nil {
		return p, err
	}
	if len(missing) > 0 {
		if _, err := output(ctx, debs, "apt-get",
			append([]string{"download", "-q"}, missing...)...); err != nil {
			return p, err
		}
	}
	if err := unpackAll(ctx, debs, tree, p.qemu == ""); err != nil {
		return p, err
	}
	one := func(pattern string) string {
		found, _ := filepath.Glob(filepath.Join(tree, pattern))
		if len(found) == 0 {
			err = errors.Join(err, fmt.Errorf("the packages in %s have no %s", debs, pattern))
			return ""
		}
		return found[len(found)-1]
	}
	if p.qemu == "" {
		p.qemu, p.tree = one("usr/bin/qemu-system-x86_64"), tree
	}
	p.xen, p.kernel = one("boot/xen-*.gz"), one("boot/vmlinuz-*")
	for _, m := range []string{"xen-evtchn", "xen-privcmd"} {
		p.modules = append(p.modules, one("*/modules/*/kernel/drivers/xen/"+m+".ko*"))
	}
	return p, err
}

// missingPackages returns the packages that must be downloaded.
func missingPackages(ctx context.Context, debs string, qemu bool) (missing []string, err error) {
	have := func(prefix string) bool {
		found, _ := filepath.Glob(filepath.Join(debs, prefix+"*.deb"))
		return len(found) > 0
	}
	for _, meta := range []struct{ name, of string }{
		{"xen-system-amd64", "xen-hypervisor-"},
		{"linux-image-amd64", "linux-image-"},
	} {
		if have(meta.of) {
			continue
		}
		name, err := dependency(ctx, meta.name, meta.of)
		if err != nil {
			return nil, err
		}
		missing = append(missing, name)
	}
	if !qemu || have("qemu-system-x86_") {
		return missing, nil
	}
	// What an installation would install, that isn't installed yet: lines "Inst NAME (…". Those
	// that it would replace, "Inst NAME [VERSION] (…", serve as they are.
	plan, err := output(ctx, "", "apt-get", "-s", "install", "--no-install-recommends",
		"qemu-system-x86")
	if err != nil {
		return nil, err
	}
	for _, m := range regexp.MustCompile(`(?m)^Inst (\S+) \(`).FindAllStringSubmatch(plan, -1) {
		missing = append(missing, m[1])
	}
	return missing, nil
}

// dependency returns the package that a package of packages stands for today.
func dependency(ctx context.Context, meta, prefix string) (string, error) {
	text, err := output(ctx, "", "apt-cache", "depends", meta)
	if err != nil {
		return "", err
	}
	for _, m := range regexp.MustCompile(`(?m)^ *\|?Depends: (\S+)`).
		FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[1], prefix) {
			return m[1], nil
		}
	}
	return "", fmt.Errorf("apt-cache knows no %s* of the package %s: have its lists fetched, by "+
		"apt-get update, or give the packages by -debs", prefix, meta)
}

// output runs a command and returns what it prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("%w: on a system without it, give the packages by -debs, and have "+
			"QEMU and dpkg-deb installed", err)
	case err != nil:
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err,
			strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// wanted is what is unpacked.
var wanted = map[bool]*regexp.Regexp{
	false: regexp.MustCompile(`^boot/(xen-.*\.gz|vmlinuz-.*)$|/drivers/xen/xen-(evtchn|` +
		`privcmd)\.ko`),
	true: regexp.MustCompile(`^usr/bin/qemu-system-x86_64$|^(usr/)?lib/|^usr/share/(qemu|` +
		`seabios)/`),
}

// unpackAll unpacks what is wanted of the packages in a directory.
func unpackAll(ctx context.Context, debs, tree string, qemu bool) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	all, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range all {
		base := filepath.Base(deb)
		system := strings.HasPrefix(base, "linux-image-") ||
			strings.HasPrefix(base, "xen-hypervisor-")
		if !system && !qemu {
			continue
		}
		if err := unpack(ctx, deb, root, wanted[!system]); err != nil {
			return fmt.Errorf("unpacking %s: %w", base, err)
		}
	}
	return nil
}

func unpack(ctx context.Context, deb string, root *os.Root, want *regexp.Regexp) (err error) {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = cmd.Process.Kill()
		}
		err = errors.Join(err, cmd.Wait())
	}()
	for t := tar.NewReader(pipe); ; {
		h, err := t.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, pipe)
			return err
		}
		if err != nil {
			return err
		}
		if name := path.Clean(h.Name); want.MatchString(name) {
			if err := unpackOne(root, name, h, t); err != nil {
				return err
			}
		}
	}
}

func unpackOne(root *os.Root, name string, h *tar.Header, r io.Reader) error {
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeSymlink {
		return nil
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return root.Symlink(h.Linkname, name)
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, h.FileInfo().Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
