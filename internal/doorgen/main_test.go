package main

import (
	"os"
	"path/filepath"
	"testing"
)

const spinlock = "../../spinlock"

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(spinlock, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheDoorsSlowPathsAreTheLocksOwn(t *testing.T) {
	texts := map[string][]byte{}
	for _, name := range sources {
		texts[name] = read(t, name)
	}
	want, err := generate(texts)
	if err != nil {
		t.Fatal(err)
	}
	if string(read(t, out)) != string(want) {
		t.Errorf("spinlock/%s is stale: run go generate ./spinlock", out)
	}
}
