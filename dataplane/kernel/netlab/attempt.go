package netlab

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// Attempt calls f with a TB whose failures end f and not the test: a benchmark
// of many cases tells that one cannot be had, and why, and goes on. Clean-up
// functions run at the end of t. f is on a goroutine of its own.
func Attempt(t testing.TB, f func(testing.TB)) error {
	a := &attempt{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(a)
	}()
	<-done
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// attempt is the TB of an Attempt.
type attempt struct {
	testing.TB
	mu  sync.Mutex
	err error // The first failure.
}

func (a *attempt) note(message string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = fmt.Errorf("%s", message)
	}
}

func (a *attempt) Fail() { a.note("failed") }

func (a *attempt) Error(args ...any)                 { a.note(fmt.Sprint(args...)) }
func (a *attempt) Errorf(format string, args ...any) { a.note(fmt.Sprintf(format, args...)) }

func (a *attempt) FailNow() {
	a.Fail()
	runtime.Goexit()
}

func (a *attempt) Fatal(args ...any) {
	a.Error(args...)
	runtime.Goexit()
}

func (a *attempt) Fatalf(format string, args ...any) {
	a.Errorf(format, args...)
	runtime.Goexit()
}

// Failed tells whether f has failed so far.
func (a *attempt) Failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err != nil
}
