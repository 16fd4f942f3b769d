module example.com/pvlock

go 1.26

require (
	example.org/foreign v0.0.0
	golang.org/x/allowed v0.0.0
)

replace (
	example.org/foreign => ./_foreign
	golang.org/x/allowed => ./_allowed
)
