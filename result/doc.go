// Package result is what pvlock measures, as files: the schemas, reading and
// writing them, and the few statistics that whoever reads them shares.
//
// A result file is JSON with a "schema" that names its kind and version:
// "pvlock/bench/1" is a [Bench]. [BenchSchema] describes it for other programs,
// [WriteBenchfmt] turns it into what benchstat compares.
package result
