package intent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-ne/tandem/server/validate"
)

// TestLabs translates the configurations of testdata/lab: they are valid, and
// every object of the data plane that they name is there.
func TestLabs(t *testing.T) {
	i := newIntent(t, everything())
	files, err := filepath.Glob("../../testdata/lab/*/*.xml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d configurations, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, "../../testdata/lab/"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(file) == "queues.xml" { // A change of a configuration that is there.
				base, err := os.ReadFile(filepath.Join(filepath.Dir(file), "pe1.xml"))
				if err != nil {
					t.Fatal(err)
				}
				scheduler := text[strings.Index(string(text), "<scheduler>") : strings.Index(string(text), "</scheduler>")+len("</scheduler>")]
				text = []byte(strings.Replace(string(base), "</qos>", string(scheduler)+"</qos>", 1))
				text = []byte(strings.Replace(string(text), "</section>", `<scheduler xmlns="urn:tandem:yang:mtp-qos">fair</scheduler></section>`, 1))
			}
			root := config(t, i.schema, text)
			if _, errs := validate.New(i.schema).Full(root); len(errs) > 0 {
				t.Fatal(errs)
			}
			if r := build(t, i, nil, root); len(r.Dataplane.Put) == 0 {
				t.Error("nothing for the data plane")
			}
		})
	}
}
