package lab

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// show is the state of one demo: what it prints to and when it began.
type show struct {
	*Lab
	out     io.Writer
	updates chan Update
}

// Demo runs the main job on a lab that is not up: configure, forward, watch,
// cut, restore, report. It takes the lab down again unless keep is set.
func (l *Lab) Demo(ctx context.Context, out io.Writer, keep bool) (err error) {
	// Before anything is promised to be taken down: it may be somebody else's.
	if err := l.vacant(); err != nil {
		return err
	}
	d := &show{Lab: l, out: out, updates: make(chan Update, 256)}
	began := time.Now()
	l.Progress = func(format string, args ...any) {
		fmt.Fprintf(out, "%6.2fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !keep {
		defer func() {
			// The demo's own context may be what ended it.
			err = errors.Join(err, l.Down(context.WithoutCancel(ctx)))
		}()
	}
	d.title("%s: %s", l.Topology.Name, l.Topology.Description)
	for _, step := range []func(context.Context) error{
		l.Boot, d.watch, l.ConfigureAll, d.sessions, d.pings, d.cutAndRestore, d.pings, d.alarms,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if keep {
		d.howTo()
	}
	return nil
}

func (d *show) title(format string, args ...any) {
	fmt.Fprintf(d.out, "\n%s\n", fmt.Sprintf(format, args...))
}

// watch subscribes to every element and merges the streams.
func (d *show) watch(ctx context.Context) error {
	for _, node := range d.Topology.Elements() {
		updates, _, err := d.Watch(ctx, node)
		if err != nil {
			return err
		}
		go func() {
			for u := range updates {
				select {
				case d.updates <- u:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	d.progress("subscribed to every element over gNMI, ON_CHANGE")
	return nil
}

// until takes updates, hands each to f, and returns when f is satisfied.
func (d *show) until(ctx context.Context, what string, limit time.Duration, f func(Update) bool) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case u := <-d.updates:
			if f(u) {
				return nil
			}
		case <-timer.C:
			return fmt.Errorf("%s: not seen within %v", what, limit)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sessions prints every CC session as it comes up.
func (d *show) sessions(ctx context.Context) error {
	d.title("CC sessions, as gNMI reports them")
	want, err := d.configuredMEPs(ctx)
	if err != nil {
		return err
	}
	up := map[string]bool{}
	return d.until(ctx, fmt.Sprintf("%d CC sessions up", want), 30*time.Second, func(u Update) bool {
		if u.Leaf == "local-state" && u.Value == "up" && !up[u.Node+u.MEG] {
			up[u.Node+u.MEG] = true
			d.progress("%-4s %-12s up      (%d of %d)", u.Node, u.MEG, len(up), want)
		}
		return len(up) == want
	})
}

// configuredMEPs counts the MEPs in the elements' running configurations.
func (d *show) configuredMEPs(ctx context.Context) (int, error) {
	n := 0
	for _, node := range d.Topology.Elements() {
		text, err := d.ask(ctx, node, `<mpls-tp xmlns="urn:tandem:yang:mtp-node"><oam xmlns="urn:tandem:yang:mtp-oam"><meg><name/><mep/></meg></oam></mpls-tp>`)
		if err != nil {
			return 0, err
		}
		var reply struct {
			MEP []struct{} `xml:"mpls-tp>oam>meg>mep"`
		}
		if err := xml.Unmarshal([]byte(text), &reply); err != nil {
			return 0, fmt.Errorf("%s: %w", node, err)
		}
		n += len(reply.MEP)
	}
	return n, nil
}

// ask opens a session, gets a subtree and returns the <data> element.
func (d *show) ask(ctx context.Context, node, filter string) (string, error) {
	s, err := d.NETCONF(ctx, node, nil)
	if err != nil {
		return "", err
	}
	text, err := s.Get(ctx, filter)
	return text, errors.Join(err, s.Close())
}

func (d *show) pings(ctx context.Context) error {
	d.title("Client packets across the LSPs")
	for _, p := range d.Topology.Demo.Pings {
		if err := d.Ping(ctx, p.From, p.To); err != nil {
			return err
		}
		d.progress("%s -> %-16s answered", p.From, p.To)
	}
	return nil
}

// Ping sends until an answer comes, at most ten times: the first packet of a
// client waits for the address resolution on its own link.
func (l *Lab) Ping(ctx context.Context, node, to string) error {
	var out []byte
	for range 10 {
		cmd := exec.CommandContext(ctx, "ip", "netns", "exec", l.Topology.Namespace(node),
			"ping", "-q", "-c", "1", "-W", "1", to)
		var err error
		if out, err = cmd.CombinedOutput(); err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("ping %s -> %s: no answer\n%s", node, to, out)
}

// SetLink sets a node's interface up or down.
func (l *Lab) SetLink(ctx context.Context, end, state string) error {
	node, ifc, _ := strings.Cut(end, ":")
	return ipBatch(ctx, l.Topology.Namespace(node), "link set dev "+ifc+" "+state)
}

// settling is how long the demo lets the network report after the cut.
const settling = time.Second

func (d *show) cutAndRestore(ctx context.Context) error {
	demo := d.Topology.Demo
	d.title("Cut %s, watched at %s on MEG %s", demo.Cut, demo.Watch, demo.MEG)
	cut := time.Now()
	if err := d.SetLink(ctx, demo.Cut, "down"); err != nil {
		return err
	}
	d.progress("cut (ip took %.1f ms; times count from before it)", ms(time.Since(cut)))
	present := map[string]bool{} // MEPs with defects.
	var first Update
	watch := func(u Update, since time.Time) {
		d.printDefect(u, since)
		if u.Leaf == "defect" {
			if present[u.Node+" "+u.MEG] = u.Value != ""; u.Value == "" {
				delete(present, u.Node+" "+u.MEG)
			}
		}
		if first.Node == "" && u.Node == demo.Watch && u.MEG == demo.MEG && u.Has("loc") {
			first = u
		}
	}
	err := d.until(ctx, "loss of continuity of "+demo.MEG, 10*time.Second, func(u Update) bool {
		watch(u, cut)
		return first.Node != ""
	})
	if err != nil {
		return err
	}
	d.during(ctx, settling, func(u Update) { watch(u, cut) })
	d.progress("%s: loss of continuity on MEG %s %.1f ms after the cut, at the gNMI client after %.1f ms",
		demo.Watch, demo.MEG, ms(first.Event.Sub(cut)), ms(first.Arrival.Sub(cut)))
	if err := d.SetLink(ctx, demo.Cut, "up"); err != nil {
		return err
	}
	restored := time.Now()
	d.progress("restored")
	return d.until(ctx, "recovery", 30*time.Second, func(u Update) bool {
		watch(u, restored)
		return len(present) == 0
	})
}

// during hands every update of a while to f.
func (d *show) during(ctx context.Context, limit time.Duration, f func(Update)) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case u := <-d.updates:
			f(u)
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (d *show) printDefect(u Update, since time.Time) {
	value := u.Value
	if value == "" {
		value = "none"
	}
	d.progress("%-4s %-12s %-11s %-24s event %+7.1f ms, at the client %+7.1f ms",
		u.Node, u.MEG, u.Leaf, value, ms(u.Event.Sub(since)), ms(u.Arrival.Sub(since)))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

type alarmList struct {
	Alarms []struct {
		Resource string `xml:"resource"`
		Type     string `xml:"alarm-type-id"`
		Cleared  string `xml:"is-cleared"`
		Severity string `xml:"perceived-severity"`
		Text     string `xml:"alarm-text"`
		Changed  string `xml:"last-changed"`
	} `xml:"alarms>alarm-list>alarm"`
}

func (d *show) alarms(ctx context.Context) error {
	d.title("Alarm lists (ietf-alarms), over NETCONF")
	w := tabwriter.NewWriter(d.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tALARM\tSEVERITY\tSTATE\tRESOURCE\tLAST CHANGED")
	for _, node := range d.Topology.Elements() {
		text, err := d.ask(ctx, node, `<alarms xmlns="urn:ietf:params:xml:ns:yang:ietf-alarms"><alarm-list/></alarms>`)
		if err != nil {
			return err
		}
		var list alarmList
		if err := xml.Unmarshal([]byte(text), &list); err != nil {
			return fmt.Errorf("alarms of %s: %w", node, err)
		}
		for _, a := range list.Alarms {
			state := "raised"
			if a.Cleared == "true" {
				state = "cleared"
			}
			_, kind, _ := strings.Cut(a.Type, ":")
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", node, kind, a.Severity, state, a.Resource, a.Changed)
		}
	}
	return w.Flush()
}

// howTo prints commands that work as they stand while the lab is up.
func (d *show) howTo() {
	node := d.Topology.Demo.Watch
	state := d.StateDir(node)
	enter := "ip netns exec " + d.Topology.Namespace(node)
	d.title(`The lab stays up. Talk to %s (every element listens on loopback of its own namespace):

  tandem     bin/tandem lab exec %s bin/tandem show megs
  gnmic      %s gnmic -a 127.0.0.1:%s --tls-ca %s --tls-cert %s --tls-key %s \
               subscribe --path /mpls-tp/oam/meg/mep/state --stream-mode on-change
  ncclient   %s .build/venv/bin/python - <<'PY'
from ncclient import manager
with manager.connect(host="127.0.0.1", port=%s, username="admin", key_filename="%s",
                     hostkey_verify=False, allow_agent=False, look_for_keys=False) as m:
    print(m.get_config("running"))
PY
  down       bin/tandem lab down %s`,
		node, d.Topology.Name+"/"+node,
		enter, GNMIPort, filepath.Join(state, "tls", "ca.crt"), filepath.Join(state, "tls", "client.crt"), filepath.Join(state, "tls", "client.key"),
		enter, NETCONFPort, d.KeyFile(), d.Topology.Name)
}
