package result

import (
	_ "embed"
	"errors"
	"io"
	"time"
)

// SchemaCosts is the schema of the files that "pvlock sim --calibrate" writes.
const SchemaCosts = "pvlock/costs/1"

//go:embed schema/costs-1.json
var costsSchema []byte

// CostsSchema returns the JSON Schema of [SchemaCosts]; see [BenchSchema].
func CostsSchema() []byte { return append([]byte(nil), costsSchema...) }

// Costs is what a machine's instructions, wake-ups and switches were found to cost.
type Costs struct {
	// Schema is [SchemaCosts]. [Costs.Write] sets it.
	Schema string `json:"schema"`
	// Host is the machine, Measured when it was measured.
	Host     Host      `json:"host"`
	Measured time.Time `json:"measured"`
	// Costs are in whole ns, by the simulator's names.
	Costs map[string]int64 `json:"costs_ns"`
	// How says of each how it was measured, or why it is a default.
	How map[string]string `json:"how"`
}

// Write writes c as JSON.
func (c *Costs) Write(w io.Writer) error {
	out := *c
	out.Schema = SchemaCosts
	return writeJSON(w, &out)
}

// ReadCosts reads what [Costs.Write] wrote; see [ReadBench].
func ReadCosts(r io.Reader) (*Costs, error) { return read[Costs](r, SchemaCosts) }

func (c *Costs) check() error {
	if len(c.Costs) == 0 {
		return errors.New("no costs")
	}
	return nil
}
