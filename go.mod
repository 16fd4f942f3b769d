module example.com/pvlock

go 1.26
