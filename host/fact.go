package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A Fact is a value that is known, or the reason why it is not. There are two reasons: something
// went wrong or contradicts itself (unknown), or the platform says nothing of it (not told). A
// placeholder is never a value: [Fact.Get] returns whether there is one.
//
// The zero value is unknown. As JSON a fact is an object with one key: "value", "unknown" or
// "not_told"; the latter two have the reason.
type Fact[T any] struct {
	state State
	value T
	why   string
}

// A State is what is known of a fact.
type State uint8

const (
	// Unknown is a fact that could not be found out.
	Unknown State = iota
	// NotTold is a fact that the platform does not tell.
	NotTold
	// Known is a fact with a value.
	Known
)

func (s State) String() string {
	switch s {
	case Known:
		return "known"
	case NotTold:
		return "not told"
	}
	return "unknown"
}

// MarshalText returns the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes one.
func (s *State) UnmarshalText(name []byte) error {
	for _, x := range []State{Unknown, NotTold, Known} {
		if x.String() == string(name) {
			*s = x
			return nil
		}
	}
	return fmt.Errorf("%q is no state of a fact", name)
}

// Is returns a fact that is known.
func Is[T any](value T) Fact[T] { return Fact[T]{state: Known, value: value} }

// UnknownFact returns a fact that is unknown, and why.
func UnknownFact[T any](why string, args ...any) Fact[T] {
	return Fact[T]{state: Unknown, why: oneLine(why, args)}
}

// NotToldFact returns a fact that the platform does not tell, and why.
func NotToldFact[T any](why string, args ...any) Fact[T] {
	return Fact[T]{state: NotTold, why: oneLine(why, args)}
}

// oneLine formats a reason, which may be several errors, as a line.
func oneLine(why string, args []any) string {
	return strings.ReplaceAll(fmt.Sprintf(why, args...), "\n", "; ")
}

// asFact returns what was read, or why it could not be: not told where the system has no such
// thing.
func asFact[T any](value T, err error) Fact[T] {
	switch {
	case err == nil:
		return Is(value)
	case errors.Is(err, errors.ErrUnsupported):
		return NotToldFact[T]("%v", err)
	}
	return UnknownFact[T]("%v", err)
}

// missing returns a fact of another type that isn't known for the same reason.
func missing[T, U any](f Fact[U]) Fact[T] { return Fact[T]{state: f.state, why: f.why} }

// Of returns what a function makes of a fact's value, if that is known.
func Of[T, U any](f Fact[T], of func(T) U) Fact[U] {
	if value, ok := f.Get(); ok {
		return Is(of(value))
	}
	return missing[U](f)
}

// Get returns the value, and whether it is known.
func (f Fact[T]) Get() (value T, known bool) { return f.value, f.state == Known }

// Or returns the value, or instead if it is not known.
func (f Fact[T]) Or(instead T) T {
	if f.state == Known {
		return f.value
	}
	return instead
}

// State returns whether it is known.
func (f Fact[T]) State() State { return f.state }

// Why returns why it is not known; "" if it is.
func (f Fact[T]) Why() string {
	if f.state == Unknown && f.why == "" {
		return "nobody has looked"
	}
	return f.why
}

// String returns the value, or its state and the reason.
func (f Fact[T]) String() string {
	if f.state == Known {
		return fmt.Sprint(f.value)
	}
	return f.state.String() + ": " + f.Why()
}

// factJSON is a fact as JSON.
type factJSON[T any] struct {
	Value   *T      `json:"value,omitempty"`
	Unknown *string `json:"unknown,omitempty"`
	NotTold *string `json:"not_told,omitempty"`
}

// MarshalJSON returns an object with one key.
func (f Fact[T]) MarshalJSON() ([]byte, error) {
	why := f.Why()
	switch f.state {
	case Known:
		return json.Marshal(factJSON[T]{Value: &f.value})
	case NotTold:
		return json.Marshal(factJSON[T]{NotTold: &why})
	}
	return json.Marshal(factJSON[T]{Unknown: &why})
}

// UnmarshalJSON takes what MarshalJSON returns.
func (f *Fact[T]) UnmarshalJSON(text []byte) error {
	var x factJSON[T]
	if err := json.Unmarshal(text, &x); err != nil {
		return err
	}
	switch {
	case x.Value != nil && x.Unknown == nil && x.NotTold == nil:
		*f = Is(*x.Value)
	case x.Unknown != nil && x.Value == nil && x.NotTold == nil:
		*f = UnknownFact[T]("%s", *x.Unknown)
	case x.NotTold != nil && x.Value == nil && x.Unknown == nil:
		*f = NotToldFact[T]("%s", *x.NotTold)
	default:
		return errors.New("a fact has one key: value, unknown or not_told")
	}
	return nil
}
