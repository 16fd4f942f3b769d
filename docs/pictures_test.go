package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

const pictures = "pictures"

func TestPicturesAreWhatTheSimulatorDraws(t *testing.T) {
	drawn, err := Pictures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range drawn {
		got, err := os.ReadFile(filepath.Join(pictures, name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: look at what \"go generate ./docs\" draws, at what the pages "+
				"say of it, and commit it", name)
		}
	}
	files, err := os.ReadDir(pictures)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if drawn[f.Name()] == nil {
			t.Errorf("nothing draws %s any more", f.Name())
		}
	}
}
