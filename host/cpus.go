package host

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// maxCPU bounds the numbers of CPUs that are believed: Linux can be built for 8192.
const maxCPU = 1 << 16

// cpuList reads a list of CPUs as the kernel writes them: 0-3,8.
func cpuList(fsys fs.FS, name string) ([]int, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	bad := func() ([]int, error) {
		return nil, fmt.Errorf("%s: %q is no list of CPUs", absolute(name), text)
	}
	var cpus []int
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 31)
		to, err2 := strconv.ParseUint(last, 10, 31)
		if err1 != nil || err2 != nil || from > to || to >= maxCPU {
			return bad()
		}
		if len(cpus) > 0 && int(from) <= cpus[len(cpus)-1] {
			return bad()
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	return cpus, nil
}
