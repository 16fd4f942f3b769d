package pvlock

import "testing"

// The benchmarks of Go's own mutex (sync/mutex_test.go), rewritten, under the same names, so that
// benchstat compares them:
//
//	go test -bench '^BenchmarkMutex' -count 10 . | tee pvlock.txt
//	cd $(go env GOROOT)/src/sync
//	go test -run '^$' -bench '^BenchmarkMutex' -count 10 | tee sync.txt
//
// "pvlock bench mutex" runs both in one process, interleaved, which is the better comparison.

// Each P has a mutex of its own.
func BenchmarkMutexUncontended(b *testing.B) {
	b.RunParallel(func(pb *testing.PB) {
		var mu struct {
			Mutex
			_ [128]uint8
		}
		for pb.Next() {
			mu.Lock()
			mu.Unlock() //nolint:staticcheck // what is measured
		}
	})
}

func benchmarkMutex(b *testing.B, slack, work bool) {
	var mu Mutex
	if slack {
		b.SetParallelism(10)
	}
	b.RunParallel(func(pb *testing.PB) {
		foo := 0
		for pb.Next() {
			mu.Lock()
			mu.Unlock() //nolint:staticcheck // what is measured
			if work {
				for range 100 {
					foo *= 2
					foo /= 2
				}
			}
		}
		_ = foo
	})
}

// One goroutine per P, nothing but the mutex.
func BenchmarkMutex(b *testing.B) { benchmarkMutex(b, false, false) }

// Ten goroutines per P.
func BenchmarkMutexSlack(b *testing.B) { benchmarkMutex(b, true, false) }

// One per P, with local work.
func BenchmarkMutexWork(b *testing.B) { benchmarkMutex(b, false, true) }

// Ten per P, with local work.
func BenchmarkMutexWorkSlack(b *testing.B) { benchmarkMutex(b, true, true) }

// Spinning should not pay, and should do no harm: there are other goroutines to run.
func BenchmarkMutexNoSpin(b *testing.B) {
	var m Mutex
	var acc0, acc1 uint64
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		c := make(chan bool)
		var data [4 << 10]uint64
		for i := 0; pb.Next(); i++ {
			if i%4 == 0 {
				m.Lock()
				acc0 -= 100
				acc1 += 100
				m.Unlock()
			} else {
				for i := 0; i < len(data); i += 4 {
					data[i]++
				}
				go func() { c <- true }()
				<-c
			}
		}
	})
}

// Spinning should pay: a goroutine per P, and much local data.
func BenchmarkMutexSpin(b *testing.B) {
	var m Mutex
	var acc0, acc1 uint64
	b.RunParallel(func(pb *testing.PB) {
		var data [16 << 10]uint64
		for pb.Next() {
			m.Lock()
			acc0 -= 100
			acc1 += 100
			m.Unlock()
			for i := 0; i < len(data); i += 4 {
				data[i]++
			}
		}
	})
}
