//go:build linux && amd64

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
)

// packed is text that is compressed in JSON: a serial port is slow.
type packed []byte

func (p packed) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(p); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return json.Marshal(out.Bytes())
}

func (p *packed) UnmarshalJSON(text []byte) error {
	var zipped []byte
	if err := json.Unmarshal(text, &zipped); err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		return err
	}
	*p, err = io.ReadAll(z)
	return err
}
