// Command testbed boots a real Xen under emulation, and runs there, in dom0, the tests of package
// xen and a "pvlock bench --on xen":
//
//	go run ./machine/xen/testbed
//
// It needs Linux on amd64, Go, apt-get and dpkg-deb of a Debian-like system, and no privileges. It
// fetches Debian's packages of QEMU (unless it is installed), of Xen, and of a kernel that can be
// dom0, 80 to 90 MB, and unpacks, but doesn't install, them; it builds a file system of static Go
// binaries with itself as init, boots it all on two emulated CPUs, shows what comes back, and holds
// it against what it should be. All that it writes is in a temporary directory, which it removes;
// it ends QEMU whatever happens, also on Ctrl-C, and QEMU ends with it if it is killed.
//
//	-debs DIR     keep the packages there, and take them from there: no network the next time
//	-json FILE    keep the result of the bench; -benchfmt FILE the same for benchstat
//	-duration D   how long each lock is measured
//	-limit D      for how long the emulated machine may run (default 5m)
//	-v            show both consoles and all output of the tests
//
// Exit status 0: all is as it should be. 1: a test failed, a lock did not exclude, a wake-up was
// lost that shouldn't be, or the time was up. 2: it could not be run.
//
// Times taken there say nothing of a processor; results say that they are emulated.
package main
