//go:build linux && (amd64 || 386 || arm64) && !purego

package textpatch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Areas of /proc/self/maps, with Go's text in the page of here, and in the page of another of its
// functions.
func TestTextIsWhatTheProgramsFileIsMappedTo(t *testing.T) {
	page := func(addr uintptr) area { return area{addr &^ 4095, addr&^4095 + 4096} }
	here, other := page(Entry(Entry)), page(Entry(strings.Fields))
	line := func(a area, perms, file string) string {
		return fmt.Sprintf("%x-%x %s 00000000 %s\n", a.start, a.end, perms, file)
	}
	const own, lib, none = "fd:00 17 /bin/prog", "fd:00 18 /lib/x.so", "00:00 0"
	vsyscall := "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"
	if len(fmt.Sprintf("%x", ^uintptr(0))) < 16 {
		vsyscall = "fffff000-ffffffff --xp 00000000 00:00 0 [vsyscall]\n"
	}
	just := area{16, 4096 + 16}
	for _, c := range []struct {
		name, maps string
		want       []area
		err        string
	}{
		{"a program", line(here, "r-xp", own) + line(just, "r-xp", lib) + vsyscall, []area{here},
			""},
		{"two areas", line(here, "r-xp", own) + line(other, "r-xp", own), []area{here, other}, ""},
		{"in part on larger pages of a file",
			line(here, "r-xp", own) + line(other, "r-xp", "00:0f 5 /anon_hugepage"),
			[]area{here, other}, ""},
		{"data is not text", line(here, "r-xp", own) + line(other, "rw-p", own), []area{here}, ""},
		{"memory of a just-in-time compiler", line(just, "rwxp", none) + line(here, "r-xp", own),
			[]area{here}, ""},
		{"unpacked", line(here, "r-xp", none) + vsyscall, nil, "no file is mapped to"},
		{"unpacked, and named", line(here, "r-xp", none+" [anon: x]") + vsyscall, nil,
			"no file is mapped to"},
		{"in part on larger pages", line(here, "r-xp", own) + line(other, "r-xp", none), nil,
			"no file is mapped to"},
		{"a larger area than the text",
			line(area{other.start - 4096, other.end}, "r-xp", none) + line(here, "r-xp", own), nil,
			"no file is mapped to"},
		{"not there", line(just, "r-xp", lib), nil, "doesn't have the program's text"},
	} {
		have, err := goText(c.maps)
		if c.err == "" {
			if err != nil || !slices.Equal(have, c.want) {
				t.Errorf("%s: %x, %v, want %x", c.name, have, err, c.want)
			}
		} else if err == nil || !strings.Contains(err.Error(), c.err) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}
