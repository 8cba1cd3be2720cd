package netlab

import "testing"

func TestAttempt(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(testing.TB)
		want string
	}{
		{"good", func(t testing.TB) { t.Helper() }, ""},
		{"fatal", func(t testing.TB) { t.Fatalf("no %s", "tun"); t.Error("never") }, "no tun"},
		{"two errors", func(t testing.TB) { t.Error("one"); t.Errorf("two") }, "one"},
		{"bare", func(t testing.TB) { t.FailNow() }, "failed"},
	} {
		cleaned := false
		t.Run(c.name, func(t *testing.T) {
			err := Attempt(t, func(t testing.TB) {
				t.Cleanup(func() { cleaned = true })
				c.f(t)
			})
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if cleaned {
				t.Error("cleaned up before the end of the test")
			}
		})
		if !cleaned {
			t.Errorf("%s: not cleaned up", c.name)
		}
	}
}
