//go:build (amd64 || 386 || arm64) && !purego

package textpatch

// Disassemble decodes n instructions of the live text, from an address on.
func Disassemble(addr uintptr, n int) ([]Line, error) {
	mem, err := openMemory()
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	var lines []Line
	for range n {
		const longest = 15
		code, err := mem.read(addr, longest)
		if err != nil {
			return nil, err
		}
		size, text := disassemble(code, addr)
		lines = append(lines, Line{Addr: addr, Code: code[:size], Text: text})
		addr += uintptr(size)
	}
	return lines, nil
}
