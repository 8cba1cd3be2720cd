package yangerr

import (
	"errors"
	"fmt"
	"testing"
)

type path string

func (p path) String() string                           { return string(p) }
func (p path) Format(func(module string) string) string { return string(p) }

func TestErrorText(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  *Error
		want string
	}{
		{"with path", New(InvalidValue, path("/a:b"), "%q is out of range", "9"), `invalid-value: /a:b: "9" is out of range`},
		{"without path", New(OperationFailed, nil, "no"), "operation-failed: no"},
		{"empty path", New(BadElement, path(""), "x"), "bad-element: x"},
		{"no message", New(InUse, nil, ""), "in-use"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.err.Error(); got != tc.want {
				t.Errorf("Error() = %q, want %q", got, tc.want)
			}
			if tc.err.Type != Application {
				t.Errorf("Type = %q, want %q", tc.err.Type, Application)
			}
		})
	}
}

func TestFrom(t *testing.T) {
	one := New(DataExists, path("/x:y"), "exists").WithAppTag("tag").WithType(Protocol).
		WithInfo(Info{Name: InfoBadElement, Value: "y"})
	two := List{one, New(DataMissing, nil, "missing")}
	for _, tc := range []struct {
		name string
		in   error
		want List
	}{
		{"nil", nil, nil},
		{"error", one, List{one}},
		{"wrapped error", fmt.Errorf("edit: %w", one), List{one}},
		{"list", two, two},
		{"wrapped list", fmt.Errorf("edit: %w", two), two},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := From(tc.in)
			if len(got) != len(tc.want) {
				t.Fatalf("From = %v, want %v", got, tc.want)
			}
			for i := range got {
				if got[i] != tc.want[i] {
					t.Errorf("entry %d = %v, want %v", i, got[i], tc.want[i])
				}
			}
		})
	}
	got := From(errors.New("disk is full"))
	if len(got) != 1 || got[0].Tag != OperationFailed || got[0].Message != "disk is full" {
		t.Errorf("From(foreign error) = %v", got)
	}
}

func TestList(t *testing.T) {
	if err := (List)(nil).Err(); err != nil {
		t.Errorf("empty list is the error %v", err)
	}
	l := List{New(InUse, nil, "a"), New(TooBig, nil, "b")}
	if got := l.Err().Error(); got != "in-use: a; too-big: b" {
		t.Errorf("Error() = %q", got)
	}
	if !l.Has(TooBig) || l.Has(DataExists) {
		t.Errorf("Has is wrong for %v", l)
	}
	var e *Error
	if !errors.As(l.Err(), &e) || e.Tag != InUse {
		t.Errorf("errors.As found %v", e)
	}
}
