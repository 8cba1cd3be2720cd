package gnmi

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	"github.com/tandem-ne/tandem/server/access"
	"github.com/tandem-ne/tandem/server/tree"
)

// readersEnv holds "address directory subscribers connections" in the process
// that BenchmarkFanout starts to read.
const readersEnv = "TANDEM_FANOUT_READERS"

// ackEvery is after how many messages on every stream the readers say so.
const ackEvery = 64

// BenchmarkFanout sends events to subscribers in another process, so that the
// processor time of this one, CPU-ns/delivery, is all of the server and nothing
// of the clients: Hub.Publish, the subscriptions, gRPC, TLS, system calls. The
// clients speak HTTP/2 by themselves, count messages and throw them away, but
// they share the processors: deliveries/s is the wall clock of both. Every
// subscriber receives every event: the publisher is never so far ahead that
// one event replaces another. A delivery is one leaf to one subscriber.
func BenchmarkFanout(b *testing.B) {
	for _, c := range []struct{ subscribers, connections, leafs int }{
		{1, 1, 1}, {100, 1, 1}, {100, 100, 1}, {100, 1, 50},
	} {
		b.Run(fmt.Sprintf("%dx%dconns/%dleafs", c.subscribers, c.connections, c.leafs), func(b *testing.B) {
			fanout(b, c.subscribers, c.connections, c.leafs)
		})
	}
}

func fanout(b *testing.B, subscribers, connections, leafs int) {
	e := start(b, boxSchema(b), nil)
	const entries, ahead = 1000, 8 // times ackEvery events
	var edits [2][]tree.Edit
	for round, state := range []string{"up", "down"} {
		for i := range entries * leafs {
			p, err := tree.ParsePath(e.schema, fmt.Sprintf("/box:interfaces/interface[name='e%d']/oper-state", i))
			if err != nil {
				b.Fatal(err)
			}
			v, err := p[2].Node.Type.Parse(state, nil)
			if err != nil {
				b.Fatal(err)
			}
			edits[round] = append(edits[round], tree.Edit{Op: tree.Replace, Path: p, Value: v})
		}
	}
	if err := e.hub.Publish(time.Now(), edits[1]); err != nil {
		b.Fatal(err)
	}
	acks := startReaders(b, fmt.Sprint(e.addr, " ", e.stateDir, " ", subscribers, " ", connections))
	ack := func() {
		if _, err := acks.ReadByte(); err != nil {
			b.Fatalf("the readers ended: %v", err)
		}
	}
	ack() // all have sync_response
	begin, before := time.Now(), cpuTime(b)
	events, acked := 0, 0
	publish := func() {
		if events/ackEvery-acked >= ahead {
			ack()
			acked++
		}
		i := events % entries * leafs
		if err := e.hub.Publish(time.Now(), edits[events/entries%2][i:i+leafs]); err != nil {
			b.Fatal(err)
		}
		events++
	}
	for b.Loop() {
		publish()
	}
	for events%ackEvery != 0 {
		publish()
	}
	for ; acked < events/ackEvery; acked++ {
		ack()
	}
	deliveries := float64(events * subscribers * leafs)
	b.ReportMetric(deliveries/time.Since(begin).Seconds(), "deliveries/s")
	b.ReportMetric(float64(cpuTime(b)-before)/deliveries, "CPU-ns/delivery")
}

// prepared is a server that sends one encoded message again and again.
type prepared struct {
	gpb.UnimplementedGNMIServer
	msg    grpc.PreparedMsg
	encode sync.Once
	count  int
	begin  chan struct{}
}

func (p *prepared) Subscribe(s gpb.GNMI_SubscribeServer) error {
	if _, err := s.Recv(); err != nil {
		return err
	}
	if err := s.Send(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_SyncResponse{SyncResponse: true}}); err != nil {
		return err
	}
	var err error
	p.encode.Do(func() {
		err = p.msg.Encode(s, &gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_Update{Update: &gpb.Notification{
			Timestamp: time.Now().UnixNano(),
			Update: []*gpb.Update{{
				Path: gpath("/interfaces/interface[name=e17]/oper-state"),
				Val:  &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: "up"}},
			}},
		}}})
	})
	<-p.begin
	for i := 0; i < p.count && err == nil; i++ {
		err = s.SendMsg(&p.msg)
	}
	if err == nil {
		<-s.Context().Done()
	}
	return err
}

// BenchmarkFanoutCeiling is what gRPC alone costs for the deliveries of
// BenchmarkFanout/100x1conns/1leafs: every stream sends one message, encoded
// beforehand, in a loop. One operation is ackEvery messages to each.
func BenchmarkFanoutCeiling(b *testing.B) {
	const subscribers = 100
	dir := b.TempDir()
	acc, err := access.Open(access.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	p := &prepared{count: b.N * ackEvery, begin: make(chan struct{})}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(acc.TLSConfig())))
	gpb.RegisterGNMIServer(s, p)
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(l) })
	defer serving.Wait()
	defer s.Stop()
	acks := startReaders(b, fmt.Sprint(l.Addr(), " ", dir, " ", subscribers, " ", 1))
	var before time.Duration
	for i := range b.N + 1 {
		if _, err := acks.ReadByte(); err != nil {
			b.Fatalf("the readers ended: %v", err)
		}
		if i == 0 {
			b.ResetTimer()
			before = cpuTime(b)
			close(p.begin)
		}
	}
	b.StopTimer()
	deliveries := float64(b.N * ackEvery * subscribers)
	b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(cpuTime(b)-before)/deliveries, "CPU-ns/delivery")
}

// cpuTime is the processor time of this process.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// startReaders runs this program once more, as the readers. What it returns
// gives an octet when all have sync_response and then for every ackEvery
// messages that every one has got.
func startReaders(b *testing.B, what string) *bufio.Reader {
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), readersEnv+"="+what)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return bufio.NewReader(out)
}

// readers is the other process of BenchmarkFanout; it ends by being killed.
func readers(what string) error {
	w := strings.Fields(what)
	subscribers, _ := strconv.Atoi(w[2])
	connections, _ := strconv.Atoi(w[3])
	config, err := clientTLS(w[1])
	if err != nil {
		return err
	}
	config.NextProtos = []string{"h2"}
	failed := make(chan error)
	passed := make(chan int, subscribers)
	// The server bounds how many connections are not authenticated yet.
	for range connections {
		conn, err := tls.Dial("tcp", w[0], config)
		if err != nil {
			return err
		}
		go func() { failed <- readConn(conn, w[0], subscribers/connections, passed) }()
	}
	counts := map[int]int{}
	for mark := 0; ; mark++ {
		for counts[mark] < subscribers {
			select {
			case m := <-passed:
				counts[m]++
			case err := <-failed:
				return err
			}
		}
		delete(counts, mark)
		if _, err := os.Stdout.Write([]byte{1}); err != nil {
			return err
		}
	}
}

// readConn subscribes with n streams on one connection and counts what comes:
// passed gets the mark that one of them has passed.
func readConn(conn net.Conn, addr string, n int, passed chan<- int) error {
	fr := http2.NewFramer(conn, bufio.NewReaderSize(conn, 256<<10))
	fr.SetReuseFrames()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return err
	}
	const window = 1 << 24
	fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	fr.WriteWindowUpdate(0, 1<<30)
	request, err := proto.Marshal(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: &gpb.SubscriptionList{
		Encoding:     gpb.Encoding_PROTO,
		Subscription: []*gpb.Subscription{{Path: gpath("/interfaces/interface/oper-state"), Mode: gpb.SubscriptionMode_ON_CHANGE}},
		UpdatesOnly:  true,
	}}})
	if err != nil {
		return err
	}
	request = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request))), request...)
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	type stream struct {
		head     [5]byte // of the message being read
		have     int     // octets of head
		rest     int     // octets of the message to come
		messages int
		read     uint32 // octets since the last WINDOW_UPDATE
	}
	streams := make([]stream, n)
	for i := range streams {
		block.Reset()
		for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":path", "/gnmi.gNMI/Subscribe"}, {":authority", addr}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
			enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		id := uint32(2*i + 1)
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true})
		if err := fr.WriteData(id, false, request); err != nil {
			return err
		}
	}
	var total uint32
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				fr.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				fr.WritePing(true, f.Data)
			}
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				return fmt.Errorf("stream %d was ended", f.StreamID)
			}
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Errorf("the server sent %v", f)
		case *http2.DataFrame:
			s := &streams[f.StreamID/2]
			data := f.Data()
			if s.read += uint32(len(data)); s.read > window/2 {
				fr.WriteWindowUpdate(f.StreamID, s.read)
				s.read = 0
			}
			if total += uint32(len(data)); total > 1<<29 {
				fr.WriteWindowUpdate(0, total)
				total = 0
			}
			for len(data) > 0 {
				if s.have < 5 {
					k := copy(s.head[s.have:], data)
					s.have, data = s.have+k, data[k:]
					if s.have < 5 {
						break
					}
					s.rest = int(binary.BigEndian.Uint32(s.head[1:]))
				}
				k := min(s.rest, len(data))
				s.rest, data = s.rest-k, data[k:]
				if s.rest > 0 {
					break
				}
				// The first message is sync_response.
				if s.have = 0; s.messages%ackEvery == 0 {
					passed <- s.messages / ackEvery
				}
				s.messages++
			}
		}
	}
}
