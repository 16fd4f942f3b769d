package explore

import "unsafe"

// stack reads eight bytes of a thread's stack, which the caller has found to be in range.
func (s *state) stack(i int, addr uint64) uint64 {
	return *(*uint64)(unsafe.Pointer(&s.stacks[i][addr&0xfffff]))
}

func (s *state) setStack(i int, addr, v uint64, size uint8) {
	p := unsafe.Pointer(&s.stacks[i][addr&0xfffff])
	switch size {
	case 8:
		*(*uint64)(p) = v
	case 4:
		*(*uint32)(p) = uint32(v)
	case 2:
		*(*uint16)(p) = uint16(v)
	case 1:
		*(*uint8)(p) = uint8(v)
	default:
		for k := range size {
			s.stacks[i][addr&0xfffff+uint64(k)] = byte(v >> (8 * k))
		}
	}
}
