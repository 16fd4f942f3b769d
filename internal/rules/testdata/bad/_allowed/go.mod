module golang.org/x/allowed

go 1.26
