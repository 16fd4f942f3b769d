package textpatch

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
)

// Key is a static key: it switches all direct calls of one function, a hook, off and on. Off, each is a NOP,
// or if the hook has a result, the constant false: counters and tracing that cost next to nothing
// while nobody looks. A call's arguments are still computed.
//
// The hook must be a function declared with //go:noinline. Calls of it through function values are not
// switched. A hook with a result is one without arguments that returns a bool: what the key is; on, its calls are
// the constant true.
type Key struct {
	mu    sync.Mutex
	on    bool
	sites int
	// Each of these is applied, or not.
	off, yes *Patch
}

// NewKey finds the calls of a hook. They stay as they are until Set is called.
func NewKey(hook any) (*Key, error) {
	t := reflect.TypeOf(hook)
	if t == nil || t.Kind() != reflect.Func {
		return nil, fmt.Errorf("textpatch: a key is of a function, not of a %T", hook)
	}
	result := t.NumOut() == 1 && t.NumIn() == 0 && t.Out(0).Kind() == reflect.Bool
	if t.NumOut() > 0 && !result {
		return nil, fmt.Errorf("textpatch: a key's hook is a func() bool or has no results, not a %v", t)
	}
	sites, _, err := Calls(Entry(hook))
	if err != nil {
		return nil, err
	}
	if len(sites) == 0 {
		return nil, errors.New("textpatch: no calls of the key's hook: it is inlined, or nothing calls it")
	}
	k := &Key{sites: len(sites), on: true, off: new(Patch), yes: new(Patch)}
	for _, s := range sites {
		if result {
			err = errors.Join(k.off.Result(s, false), k.yes.Result(s, true))
		} else {
			err = k.off.Nop(s)
		}
		if err != nil {
			return nil, err
		}
	}
	return k, nil
}

// Sites returns how many calls the key switches.
func (k *Key) Sites() int { return k.sites }

// Set switches the calls, while threads may be running them. With an error nothing has changed.
func (k *Key) Set(on bool) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	from, to := k.yes, k.off
	if on {
		from, to = to, from
	}
	if err := from.Undo(Live); err != nil {
		return err
	}
	if err := to.Apply(Live); err != nil {
		return errors.Join(err, from.Apply(Live))
	}
	k.on = on
	return nil
}

// On reports what was set last; a new key is on.
func (k *Key) On() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.on
}
