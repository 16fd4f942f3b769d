// This file lets the package declare functions without a body, which is how
// runtime_linkname.go names the runtime's.
