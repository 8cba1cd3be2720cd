package conformance_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/tandem-ne/tandem/northbound/conformance"
)

var (
	targetAddr = flag.String("target", "", "run the suite on the NETCONF server at this host:port, over SSH, instead of the tests")
	user       = flag.String("user", "", "user at -target who may do everything")
	key        = flag.String("key", "", "file with the user's private key")
	hostKey    = flag.String("host-key", "", "file with the server's public key, in authorized_keys form; any is accepted without")
	asJSON     = flag.String("json", "", "write the results of -target to this file as JSON")
	cases      = flag.String("cases", "", "run the cases whose names match this regular expression only")
	match      = new(*regexp.Regexp)
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *cases != "" {
		re, err := regexp.Compile(*cases)
		if err != nil {
			fmt.Fprintln(os.Stderr, "conformance: -cases:", err)
			os.Exit(2)
		}
		*match = re
	}
	if *targetAddr == "" {
		os.Exit(m.Run())
	}
	if err := runTarget(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// runTarget runs the suite on another server and prints the results.
func runTarget() error {
	dial, err := conformance.SSH(*targetAddr, *user, *key, *hostKey)
	if err != nil {
		return err
	}
	results, err := conformance.RunAll(conformance.Target{Name: *targetAddr, Dial: dial}, *match)
	if err != nil {
		return err
	}
	if err := results.WriteText(os.Stdout); err != nil {
		return err
	}
	if *asJSON != "" {
		f, err := os.Create(*asJSON)
		if err != nil {
			return err
		}
		if err := results.WriteJSON(f); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if n := results.Count(conformance.Fail); n > 0 {
		return fmt.Errorf("%d of %d cases fail", n, len(results))
	}
	return nil
}

// report logs the table of results.
func report(t *testing.T, results conformance.Results) {
	t.Helper()
	var b logWriter
	if err := results.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + string(b))
}

type logWriter []byte

func (w *logWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}
