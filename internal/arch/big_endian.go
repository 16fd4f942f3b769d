//go:build !(386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64 || wasm)

package arch

// On a big-endian machine the least significant byte has the highest address.
const (
	flipByte = 3
	flipHalf = 2
)
