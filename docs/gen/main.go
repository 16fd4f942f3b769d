// Command gen draws the documentation's pictures: run it by "go generate ./docs".
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"example.com/pvlock/docs"
)

func main() {
	if err := write("pictures"); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	pictures, err := docs.Pictures(context.Background())
	if err != nil {
		return err
	}
	for name, svg := range pictures {
		if err := os.WriteFile(filepath.Join(dir, name), svg, 0o644); err != nil {
			return fmt.Errorf("write picture: %w", err)
		}
	}
	return nil
}
