// Package rules holds the tests that keep the source as it must be, and nothing
// else. Each rule is a function from a source tree to what is wrong in it; it
// must find nothing in the repository, and in testdata/bad exactly what is
// marked there.
//
//   - arrows: which package may import which; a machine and a lock don't know
//     each other; what a program imports depends on the standard library alone.
//   - twinned: lock text that also runs on models does nothing that only real
//     machines can do, and keeps no state of its own.
//   - shared: no Go pointer lies in the same memory as a shared cell, and cells of
//     8 and 16 bits are parts of a word.
//   - unsafe: package unsafe is imported by files whose names say so.
//   - examples: an example imports what a program elsewhere may import.
//   - named: a test that a comment names is there.
//   - lines: a line of Go or of a page has at most 100 columns.
//   - words: some words are not written: a headless who, paraphrases, praise.
//   - generated: what lies in the twin's directories was generated.
package rules
