//go:build !linux || !386 || purego

package textpatch

import "errors"

func editBody(entry, to uintptr) (Edit, error) {
	return Edit{}, errors.New("textpatch: bodies are replaced on 386 only; elsewhere it is calls")
}
