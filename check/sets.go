package check

import (
	"fmt"
	"slices"

	"example.com/pvlock/internal/twin/spinlock"
)

// queueless are the locks that a CPU may take in an interrupt while it waits for the same one:
// nobody queues behind himself.
var queueless = []string{"bytelock", "tas", "xen", "xen2008", "xen2008text", "busted"}

// Set returns what is explored of a lock: by default what takes some seconds, or the full
// set, which takes minutes for the locks that have most states.
func Set(k spinlock.Kind, full bool) []Config {
	one := func(cpus int, client Client, spin uint32) Config {
		return Config{Lock: k, CPUs: cpus, Client: client, Spin: spin, Spurious: true}
	}
	nested := func(c Config) Config {
		c.Interrupts = 1
		return c
	}
	anySpin := uint32(AnySpin)
	if k.Name == mutexName {
		return mutexSet(full)
	}
	set := []Config{
		one(2, Plain(2, 3), anySpin),
		one(3, Plain(3, 1), anySpin),
		one(2, Trying(2, 2), anySpin),
		one(2, Late(2), anySpin),
		nested(one(2, Nested(2, 1), anySpin)),
	}
	if k.Sleeps {
		set = append(set, one(2, Plain(2, 2), 0), one(2, Plain(2, 2), 1))
		words := one(2, Plain(2, 2), 0)
		words.WordChannel = true
		set = append(set, words)
	}
	free := slices.Contains(queueless, k.Name)
	if free {
		set = append(set, one(3, Plain(3, 2), anySpin), nested(one(2, NestedSame(2, 2), anySpin)))
	}
	if k.Tunables.Pending > 0 {
		set = append(set, one(2, NoNode(2, 2), anySpin))
	}
	if free && k.Sleeps {
		set = append(set, nested(one(3, kickFirst(), 0)))
	}
	passing := one(2, Passing(4), anySpin)
	passing.Bypass = true
	set = append(set, passing)
	if !full {
		return set
	}

	wide := anySpin
	if k.Name == "pvticket" {
		// With a budget it has some 30 million states.
		wide = 0
	}
	set = append(set,
		nested(one(2, Nested(2, 3), anySpin)),
		nested(one(3, Nested(3, 1), wide)),
		one(3, Trying(3, 1), anySpin),
	)
	if k.Sleeps {
		words := nested(one(2, Nested(2, 1), 0))
		words.WordChannel = true
		set = append(set, words)
	}
	if free {
		two := one(2, NestedSame(2, 2), anySpin)
		two.Interrupts = 2
		set = append(set, two)
	}
	if free && k.Sleeps {
		set = append(set, nested(one(3, heldByWaiter(), 0)))
	}
	return set
}

// mutexSet is what is explored of the mutex.
func mutexSet(full bool) []Config {
	one := func(cpus int, client Client, spin uint32) Config {
		return Config{Lock: Mutex(), CPUs: cpus, Client: Goroutines(client), Spin: spin}
	}
	set := []Config{
		one(2, Plain(2, 2), 0),
		one(2, Plain(2, 2), 1),
		one(2, GivingUp(2, 2, 3), AnySpin),
		one(2, GivingUp(2, 2, 1), 0),
		one(2, Trying(2, 2), 0),
		one(3, Plain(3, 1), 0),
		one(3, GivingUp(3, 1, 1), 0),
	}
	if !full {
		return set
	}
	return append(set,
		one(2, Plain(2, 2), AnySpin),
		one(2, Plain(2, 3), 0),
		one(3, GivingUp(3, 1, 7), 0),
		one(3, Plain(3, 1), 1),
		one(3, Plain(3, 1), AnySpin),
	)
}

const givingUp = "giving-up"

// mutexClients are the clients that a goroutine can run.
var mutexClients = []string{"plain", "try", givingUp}

// Clients returns the names of the clients that can be asked for.
func Clients() []string {
	return []string{"plain", "try", "nested", "nested-same", "late", "no-node", "passing", givingUp}
}

// NamedClient returns a client by its name, of n CPUs that each take the lock k times.
func NamedClient(name string, n, k int) (Client, error) {
	switch name {
	case "plain":
		return Plain(n, k), nil
	case "try":
		return Trying(n, k), nil
	case "nested":
		return Nested(n, k), nil
	case "nested-same":
		return NestedSame(n, k), nil
	case "late":
		return Late(n), nil
	case "no-node":
		return NoNode(n, k), nil
	case "passing":
		return Passing(k), nil
	case givingUp:
		return GivingUp(n, k, 1<<n-1), nil
	}
	return Client{}, fmt.Errorf("no client %q: want one of %v", name, Clients())
}
