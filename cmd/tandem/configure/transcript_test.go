package configure

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTranscripts carries out each file of testdata on an element of its own:
// lines that begin with the prompt "> " are typed, the others are what is
// printed, errors behind "error: ". TANDEM_UPDATE=1 writes what is printed into
// the files: read the difference before it is committed.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no transcripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := transcript(t, newBed(t), string(want))
			if os.Getenv("TANDEM_UPDATE") != "" {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// transcript types the commands of a text and returns it as it came out.
func transcript(t *testing.T, b *bed, text string) string {
	t.Helper()
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	m, out := b.open(t, Options{Now: func() time.Time { return noon }})
	var got strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "//") {
			got.WriteString(line)
		}
		command, ok := strings.CutPrefix(line, "> ")
		if !ok {
			continue
		}
		got.WriteString(line)
		out.Reset()
		command = strings.TrimSuffix(command, "\n")
		if help, ok := strings.CutSuffix(command, "?"); ok {
			got.WriteString(m.Help(help))
			continue
		}
		err := m.Run(t.Context(), command)
		got.Write(out.Bytes())
		switch {
		case errors.Is(err, ErrExit):
			got.WriteString("(left)\n")
		case err != nil:
			got.WriteString("error: " + err.Error() + "\n")
		}
	}
	if err := m.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return anytime.ReplaceAllString(got.String(), "TIME ")
}

// anytime are the times of commits and the header above them, whose width
// follows the digits of the times.
var anytime = regexp.MustCompile(`(TIME|20\d\d-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)) *`)
