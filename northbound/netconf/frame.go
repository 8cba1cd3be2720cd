package netconf

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
)

// endOfMessage ends every message of the framing of RFC 6242 section 4.3.
const endOfMessage = "]]>]]>"

// maxChunk is the largest chunk-size that RFC 6242 section 4.2 allows.
const maxChunk = 4294967295

// errFraming is a violation of the chunked framing; the session must end (RFC
// 6242 section 4.2).
var errFraming = errors.New("bad framing")

// errMessageSize is a message beyond the limit.
var errMessageSize = errors.New("the message is too large")

// frameReader splits what a peer sends into messages. It begins with
// end-of-message framing, in which hello is exchanged.
type frameReader struct {
	r       *bufio.Reader
	chunked bool
	max     int // octets of one message
}

// readBuffer is what a silent session holds for reading. Chunks that are larger
// go past it.
const readBuffer = 4 << 10

func newFrameReader(r io.Reader, limit int) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, readBuffer), max: limit}
}

// next returns the next message, which is the caller's. It returns io.EOF when
// the peer has closed between messages.
func (f *frameReader) next() ([]byte, error) {
	if f.chunked {
		return f.nextChunked()
	}
	var msg []byte
	for {
		part, err := f.r.ReadSlice('>')
		msg = append(msg, part...)
		if len(msg) > f.max+len(endOfMessage) {
			return nil, errMessageSize
		}
		switch {
		case err == nil:
			if n := len(msg) - len(endOfMessage); n >= 0 && string(msg[n:]) == endOfMessage {
				return msg[:n], nil
			}
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(msg) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// nextChunked reads Chunked-Message = 1*chunk end-of-chunks.
func (f *frameReader) nextChunked() ([]byte, error) {
	var msg []byte
	for first := true; ; first = false {
		size, err := f.chunkHeader(first)
		switch {
		case err != nil:
			return nil, err
		case size == 0 && first:
			return nil, fmt.Errorf("%w: a message without a chunk", errFraming)
		case size == 0:
			return msg, nil
		case size > uint64(f.max-len(msg)):
			return nil, errMessageSize
		}
		// The memory follows what has arrived, not what the header promises.
		for size > 0 {
			n := int(min(size, uint64(max(len(msg), 64<<10))))
			at := len(msg)
			msg = slices.Grow(msg, n)[:at+n]
			if _, err := io.ReadFull(f.r, msg[at:]); err != nil {
				return nil, unexpected(err)
			}
			size -= uint64(n)
		}
	}
}

// chunkHeader reads LF "#" chunk-size LF, or LF "##" LF, for which it returns 0.
func (f *frameReader) chunkHeader(first bool) (uint64, error) {
	for _, want := range []byte("\n#") {
		b, err := f.r.ReadByte()
		if err != nil {
			if first && want == '\n' {
				return 0, err
			}
			return 0, unexpected(err)
		}
		if b != want {
			return 0, fmt.Errorf("%w: %q where %q is expected", errFraming, b, want)
		}
		first = first && want == '\n'
	}
	var digits []byte
	for {
		b, err := f.r.ReadByte()
		switch {
		case err != nil:
			return 0, unexpected(err)
		case b == '\n' && string(digits) == "#":
			return 0, nil
		case b == '\n' && len(digits) > 0:
			n, err := strconv.ParseUint(string(digits), 10, 64)
			if err != nil || n > maxChunk {
				return 0, fmt.Errorf("%w: chunk-size %q", errFraming, digits)
			}
			return n, nil
		case b == '#' && len(digits) == 0, b >= '1' && b <= '9', b == '0' && len(digits) > 0:
			digits = append(digits, b)
		default:
			return 0, fmt.Errorf("%w: %q in a chunk-size", errFraming, b)
		}
		if len(digits) > 10 || len(digits) > 1 && digits[0] == '#' {
			return 0, fmt.Errorf("%w: chunk-size %q", errFraming, digits)
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frameBuffer is how much of a message a frameWriter holds before it sends a
// chunk: a reply of any size costs this much memory.
const frameBuffer = 64 << 10

// headroom is kept free before the data of a chunk for its header.
const headroom = 16

// frameWriter sends messages. Write adds to the message, end completes it.
type frameWriter struct {
	w       io.Writer
	chunked bool
	pool    *sync.Pool // where buf goes between two messages; may be nil
	buf     []byte     // headroom, then what was not sent yet
	err     error
}

// take gets a buffer, a recycled one if there is one.
func (f *frameWriter) take() {
	if f.pool != nil {
		if old, ok := f.pool.Get().(*[]byte); ok {
			f.buf = (*old)[:headroom]
			return
		}
	}
	f.buf = make([]byte, headroom, headroom+frameBuffer+len(endOfMessage))
}

func (f *frameWriter) Write(p []byte) (int, error) {
	if f.buf == nil {
		f.take()
	}
	for rest := p; len(rest) > 0 && f.err == nil; {
		n := min(len(rest), headroom+frameBuffer-len(f.buf))
		f.buf = append(f.buf, rest[:n]...)
		rest = rest[n:]
		if len(f.buf) >= headroom+frameBuffer {
			f.flush("")
		}
	}
	if f.err != nil {
		return 0, f.err
	}
	return len(p), nil
}

// flush sends what there is, as a chunk of its own, and then tail.
func (f *frameWriter) flush(tail string) {
	if f.err != nil {
		return
	}
	f.Write(nil)
	start := headroom
	if size := len(f.buf) - headroom; f.chunked && size > 0 {
		var header [headroom]byte
		h := append(header[:0], "\n#"...)
		h = strconv.AppendInt(h, int64(size), 10)
		h = append(h, '\n')
		start -= copy(f.buf[headroom-len(h):], h)
	}
	f.buf = append(f.buf, tail...)
	_, f.err = f.w.Write(f.buf[start:])
	f.buf = f.buf[:headroom]
}

// end completes the message and returns the first error of all that was sent.
func (f *frameWriter) end() error {
	if f.chunked {
		f.flush("\n##\n")
	} else {
		f.flush(endOfMessage)
	}
	if f.pool != nil && f.buf != nil {
		buf := f.buf
		f.pool.Put(&buf)
		f.buf = nil
	}
	return f.err
}
