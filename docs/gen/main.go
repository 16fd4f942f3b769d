// Command gen draws the documentation's pictures, and writes the table of what runs where: run it
// by "go generate ./docs".
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"example.com/pvlock/docs"
)

func main() {
	err := write("pictures")
	if err == nil {
		err = cover("why.md")
	}
	if err != nil {
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

// cover writes the table into the page.
func cover(name string) error {
	page, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	covered, err := docs.WithCoverage(string(page))
	if err == nil {
		err = os.WriteFile(name, []byte(covered), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}
