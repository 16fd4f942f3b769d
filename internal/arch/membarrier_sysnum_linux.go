package arch

import "runtime"

// sysMembarrier is the number of membarrier(2), which package syscall predates.
// 0 where it is not known.
var sysMembarrier = map[string]uintptr{
	"386": 375, "amd64": 324, "arm": 389, "arm64": 283, "loong64": 283, "mips": 4358,
	"mipsle": 4358,
	"mips64": 5318, "mips64le": 5318, "ppc64": 365, "ppc64le": 365, "riscv64": 283, "s390x": 356,
}[runtime.GOARCH]
