//go:build linux && amd64 && !purego && !race

package kvm_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"example.com/pvlock/internal/anontext"
	"example.com/pvlock/machine"
	"example.com/pvlock/machine/kvm"
)

// New and Probe find out what Run could not do: they need no /dev/kvm for that.
func TestTextThatNoFileIsMappedToIsFoundBeforeARun(t *testing.T) {
	const how = "PVLOCK_TEST_MOVE"
	if part := os.Getenv(how); part != "" {
		if err := anontext.Move(part == "half"); err != nil {
			t.Fatal(err)
		}
		m, err := kvm.New(machine.Config{VCPUs: 1, HostCPUs: []int{0}})
		if m != nil {
			t.Error("a machine that can't run was made")
		}
		for _, err := range []error{err, kvm.Probe()} {
			if err == nil || !strings.Contains(err.Error(), "no file is mapped to") ||
				strings.Contains(err.Error(), "\n") {
				t.Errorf("%v: want one line that says that the text is in no file's mapping", err)
			}
		}
		return
	}
	for _, part := range []string{"whole", "half"} {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), how+"="+part)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s of the text: %v\n%s", part, err, out)
		}
	}
}
