// Package report makes result files into one page of HTML that needs nothing else: no network, no
// scripts. Each plot is SVG, and has beside it a table of what it draws.
package report
