// Package result is what pvlock measures and finds, as files: the schemas, reading, writing,
// merging and comparing them, and the few statistics that their readers share.
//
// A result file is JSON with a "schema" that names its kind and version: "pvlock/bench/1" is a
// [Bench], and so on for [Sim], [Torture], [Check], [Mutexes], [Unlocks] and [Explored]. [Read]
// tells them apart. [BenchSchema] describes the first for other programs, [WriteBenchfmt] turns it
// into what benchstat compares. [MergeSims] makes the shards of a simulation the whole, [Compare]
// says what is different between two results, and whether that may be chance.
package result
