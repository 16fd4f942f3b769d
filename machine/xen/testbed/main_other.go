//go:build !linux || !amd64

package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "testbed: this is %s/%s: it needs linux/amd64 with apt-get\n",
		runtime.GOOS, runtime.GOARCH)
	os.Exit(2)
}
