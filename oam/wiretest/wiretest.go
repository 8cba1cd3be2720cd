// Package wiretest holds wire formats against witnesses that are not ours:
// hand-written frames in testdata/wire, and tshark as an independent decoder.
// It is for tests.
package wiretest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Golden is one hand-written frame.
type Golden struct {
	Name   string // The file's name without ".hex".
	Frame  []byte // From the Ethernet header on.
	Fields []Field
}

// Field is what tshark must find in a frame. Values of a field that occurs
// more than once are joined by commas.
type Field struct{ Name, Value string }

// Load reads every .hex file of a directory.
func Load(dir string) ([]Golden, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.hex"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no .hex files in %s", dir)
	}
	var all []Golden
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		g, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		g.Name = strings.TrimSuffix(filepath.Base(file), ".hex")
		all = append(all, g)
	}
	return all, nil
}

func parse(text string) (g Golden, err error) {
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if spec, ok := strings.CutPrefix(line, "@"); ok {
			name, value, ok := strings.Cut(strings.TrimSpace(spec), " ")
			if !ok {
				return g, fmt.Errorf("line %d: want @ field value", i+1)
			}
			g.Fields = append(g.Fields, Field{name, strings.TrimSpace(value)})
			continue
		}
		octets, err := hex.DecodeString(strings.ReplaceAll(line, " ", ""))
		if err != nil {
			return g, fmt.Errorf("line %d: %w", i+1, err)
		}
		g.Frame = append(g.Frame, octets...)
	}
	return g, nil
}

// Ethernet puts an Ethernet header of EtherType MPLS before a label stack
// and what follows it.
func Ethernet(labelled []byte) []byte {
	return append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0x47}, labelled...)
}

// Pcap writes frames as a pcap file of link type Ethernet.
func Pcap(frames [][]byte) []byte {
	var b bytes.Buffer
	write := func(v ...any) {
		for _, x := range v {
			binary.Write(&b, binary.LittleEndian, x)
		}
	}
	write(uint32(0xa1b2c3d4), uint16(2), uint16(4), int32(0), uint32(0), uint32(65535), uint32(1))
	for i, f := range frames {
		write(uint32(0), uint32(i), uint32(len(f)), uint32(len(f)))
		b.Write(f)
	}
	return b.Bytes()
}

// Malformed is the field tshark adds to a frame it cannot decode to the end.
const Malformed = "_ws.malformed"

// Tshark decodes frames and returns, per frame, the values of the given
// fields; one that does not occur is "". Field "frame.protocols" lists the
// layers. Malformed is always among the fields of the result.
func Tshark(ctx context.Context, dir string, frames [][]byte, fields ...string) ([]map[string]string, error) {
	path, err := exec.LookPath("tshark")
	if err != nil {
		return nil, fmt.Errorf("tshark is needed (Debian package tshark): %w", err)
	}
	file := filepath.Join(dir, "frames.pcap")
	if err := os.WriteFile(file, Pcap(frames), 0o600); err != nil {
		return nil, err
	}
	fields = append(append([]string(nil), fields...), Malformed)
	args := []string{"-n", "-r", file, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=,"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w: %s", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(frames) {
		return nil, fmt.Errorf("tshark decoded %d of %d frames", len(lines), len(frames))
	}
	all := make([]map[string]string, len(lines))
	for i, line := range lines {
		values := strings.Split(line, "\t")
		all[i] = make(map[string]string, len(fields))
		for j, f := range fields {
			if j < len(values) {
				all[i][f] = values[j]
			}
		}
	}
	return all, nil
}
