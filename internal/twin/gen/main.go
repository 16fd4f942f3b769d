// Command gen writes the twin: run it by go generate in internal/twin.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"example.com/pvlock/internal/twin/gen/twin"
)

func main() {
	const here = "." // internal/twin
	files, err := twin.Generate(filepath.Join(here, "..", ".."))
	if err == nil {
		err = twin.Write(here, files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
