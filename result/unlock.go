package result

import (
	"errors"
	"fmt"
	"io"
)

// SchemaUnlock is the schema of the files that "pvlock bench unlock" writes.
const SchemaUnlock = "pvlock/bench-unlock/1"

// Unlocks is what releasing a free-standing lock costs, way by way: the 2015 seed's claim.
type Unlocks struct {
	// Schema is [SchemaUnlock]. [Unlocks.Write] sets it.
	Schema string `json:"schema"`
	Go     string `json:"go"`
	Rounds int    `json:"rounds"`
	// NoPatch says why the patched ways are not there.
	NoPatch string `json:"no_patch,omitempty"`
	// NoCounts says why instructions are not counted.
	NoCounts string `json:"no_counts,omitempty"`
	Ending
	Ways []UnlockWay `json:"ways"`
}

// UnlockWay is one way. Times are medians over the rounds.
type UnlockWay struct {
	Name string `json:"name"`
	// PairNS is a lock and an unlock, UnlockNS the unlock alone, less the loop and the store that
	// makes the lock held.
	PairNS   float64 `json:"pair_ns"`
	UnlockNS float64 `json:"unlock_ns"`
	// PairToDirect is the median of the rounds' ratios to the first way.
	PairToDirect float64 `json:"pair_to_direct"`
	// Instructions is how many instructions a pair is; 0 if they can't be counted.
	Instructions float64 `json:"instructions,omitempty"`
	// CallerBytes is the size of a typical caller, with four values that live across the unlock,
	// and CallerStack how many of its instructions go to the stack.
	CallerBytes int `json:"caller_bytes,omitempty"`
	CallerStack int `json:"caller_stack,omitempty"`
}

// Write writes u as JSON. A number that is not finite is an error.
func (u *Unlocks) Write(w io.Writer) error {
	out := *u
	out.Schema = SchemaUnlock
	out.Ways = append([]UnlockWay{}, u.Ways...)
	return writeJSON(w, &out)
}

// ReadUnlocks reads what [Unlocks.Write] wrote; see [ReadBench].
func ReadUnlocks(r io.Reader) (*Unlocks, error) { return read[Unlocks](r, SchemaUnlock) }

func (u *Unlocks) check() error {
	if u.Rounds < 1 {
		return errors.New("no rounds")
	}
	for i := range u.Ways {
		if u.Ways[i].Name == "" {
			return fmt.Errorf("way %d has no name", i+1)
		}
	}
	return nil
}
