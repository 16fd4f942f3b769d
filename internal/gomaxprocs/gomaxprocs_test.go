package gomaxprocs

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
)

// child runs the test in a process of its own, without GOMAXPROCS in its environment unless given.
// It returns true in that process.
func child(t *testing.T, env ...string) bool {
	t.Helper()
	if os.Getenv("GOMAXPROCS_TEST") != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.count=1")
	for _, e := range os.Environ() {
		if len(e) < 11 || e[:11] != "GOMAXPROCS=" {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(append(cmd.Env, "GOMAXPROCS_TEST=1"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", env, err, out)
	}
	return false
}

func TestTheAutomaticModeComesBackWhereItWasOn(t *testing.T) {
	if !child(t) {
		return
	}
	runtime.SetDefaultGOMAXPROCS() // package testing has set it
	n := runtime.GOMAXPROCS(0)
	for range 3 {
		restore := Save()
		runtime.GOMAXPROCS(n + 3)
		restore()
		if runtime.GOMAXPROCS(0) != n || !automatic(n) {
			t.Fatalf("GOMAXPROCS was %d and is %d, and the runtime no longer chooses it", n,
				runtime.GOMAXPROCS(0))
		}
	}
}

func TestANumberThatSomebodyHasSetStays(t *testing.T) {
	if !child(t) {
		return
	}
	n := runtime.GOMAXPROCS(0)
	for _, set := range []int{n, n + 1, 1} {
		runtime.GOMAXPROCS(set)
		restore := Save()
		if runtime.GOMAXPROCS(0) != set {
			t.Errorf("it was set to %d, and Save made it %d", set, runtime.GOMAXPROCS(0))
		}
		runtime.GOMAXPROCS(n + 3)
		restore()
		if runtime.GOMAXPROCS(0) != set || automatic(set) {
			t.Errorf("it was set to %d, is %d, and the runtime may change it", set,
				runtime.GOMAXPROCS(0))
		}
	}
}

func TestANumberInTheEnvironmentStays(t *testing.T) {
	if !child(t, "GOMAXPROCS=3") {
		return
	}
	if restore := Save(); runtime.GOMAXPROCS(0) != 3 || automatic(3) {
		t.Error("3 is in the environment, and the runtime chooses")
	} else {
		restore()
	}
}

func TestMachinesInEachOtherPutItBack(t *testing.T) {
	if !child(t) {
		return
	}
	runtime.SetDefaultGOMAXPROCS()
	n := runtime.GOMAXPROCS(0)
	outer := Save()
	runtime.GOMAXPROCS(n + 4)
	inner := Save()
	runtime.GOMAXPROCS(1)
	inner()
	if runtime.GOMAXPROCS(0) != n+4 || automatic(n+4) {
		t.Errorf("the inner one leaves %d", runtime.GOMAXPROCS(0))
	}
	outer()
	if !automatic(n) {
		t.Errorf("the outer one leaves %d", runtime.GOMAXPROCS(0))
	}
}
