package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// endOfMessage ends a message of base:1.0 (RFC 6242 section 4.3).
const endOfMessage = "]]>]]>"

// errFraming is what a server earns that breaks the chunked framing.
var errFraming = errors.New("bad chunk")

// chunked puts a message into one chunk (RFC 6242 section 4.2).
func chunked(msg string) string { return "\n#" + strconv.Itoa(len(msg)) + "\n" + msg + "\n##\n" }

// inChunks cuts a message into chunks of at most n octets.
func inChunks(msg string, n int) string {
	var b bytes.Buffer
	for len(msg) > 0 {
		part := msg[:min(n, len(msg))]
		msg = msg[len(part):]
		fmt.Fprintf(&b, "\n#%d\n%s", len(part), part)
	}
	b.WriteString("\n##\n")
	return b.String()
}

// readMarked reads a message up to the end-of-message marker.
func readMarked(r *bufio.Reader) ([]byte, error) {
	var msg []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			if err == io.EOF && len(bytes.TrimSpace(msg)) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		msg = append(msg, c)
		if c == '>' && bytes.HasSuffix(msg, []byte(endOfMessage)) {
			return msg[:len(msg)-len(endOfMessage)], nil
		}
	}
}

// readChunked reads a message in chunks, and holds the server to the grammar.
func readChunked(r *bufio.Reader) ([]byte, error) {
	var msg []byte
	for first := true; ; first = false {
		if err := literal(r, "\n#"); err != nil {
			if first && err == io.EOF {
				return nil, io.EOF
			}
			return nil, err
		}
		header, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		header = header[:len(header)-1]
		if header == "#" {
			if first {
				return nil, fmt.Errorf("%w: a message without a chunk", errFraming)
			}
			return msg, nil
		}
		size, err := strconv.ParseUint(header, 10, 32)
		if err != nil || size == 0 || header[0] < '1' || header[0] > '9' {
			return nil, fmt.Errorf("%w: size %q", errFraming, header)
		}
		part, err := io.ReadAll(io.LimitReader(r, int64(size))) // A size alone must not take memory.
		switch {
		case err != nil:
			return nil, err
		case uint64(len(part)) < size:
			return nil, io.ErrUnexpectedEOF
		}
		msg = append(msg, part...)
	}
}

// literal reads exactly what is expected; io.EOF only where nothing follows.
func literal(r *bufio.Reader, want string) error {
	for i := range len(want) {
		c, err := r.ReadByte()
		switch {
		case err == io.EOF && i > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case c != want[i]:
			return fmt.Errorf("%w: %q where %q is expected", errFraming, c, want[i])
		}
	}
	return nil
}
