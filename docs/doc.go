// Package docs is the documentation's own machinery: it draws the pictures, and its tests hold the
// pages against the code. The documentation is in README.md beside this file, and what it links.
package docs

// The pictures are drawn by the twin, which must be made first.

//go:generate go generate ../internal/twin
//go:generate go run ./gen
