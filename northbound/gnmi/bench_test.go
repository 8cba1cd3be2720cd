package gnmi

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/tandem-ne/tandem/server/tree"
)

// loaded is an element with 10,000 configured leafs: 5,000 interfaces.
func loaded(b *testing.B) *element {
	e := start(b, boxSchema(b), nil)
	var j strings.Builder
	j.WriteString(`{"interface":[`)
	for i := range 5000 {
		if i > 0 {
			j.WriteByte(',')
		}
		fmt.Fprintf(&j, `{"name":"e%d","description":"interface %d"}`, i, i)
	}
	j.WriteString(`]}`)
	_, err := e.client.Set(e.context(), &gpb.SetRequest{Update: []*gpb.Update{{
		Path: gpath("/interfaces"), Val: &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: []byte(j.String())}},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	return e
}

// BenchmarkSetOneLeaf is a durable Set of one leaf among 10,000.
func BenchmarkSetOneLeaf(b *testing.B) {
	e := loaded(b)
	ctx := b.Context()
	for i := 0; b.Loop(); i++ {
		_, err := e.client.Set(ctx, &gpb.SetRequest{Update: []*gpb.Update{{
			Path: gpath(fmt.Sprintf("/interfaces/interface[name=e%d]/description", i%5000)),
			Val:  &gpb.TypedValue{Value: &gpb.TypedValue_StringVal{StringVal: fmt.Sprint("round ", i)}},
		}}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGet10k is a Get of 10,000 leafs as one JSON_IETF value.
func BenchmarkGet10k(b *testing.B) {
	e := loaded(b)
	req := &gpb.GetRequest{Path: []*gpb.Path{gpath("/interfaces")}, Encoding: gpb.Encoding_JSON_IETF, Type: gpb.GetRequest_CONFIG}
	for b.Loop() {
		if _, err := e.client.Get(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOnce10k is a ONCE of 10,000 set leafs, their 5,000 defaults and
// 10,000 counters.
func BenchmarkOnce10k(b *testing.B) {
	e := loaded(b)
	leafs := 0
	for b.Loop() {
		s := e.subscribe(b, `mode: ONCE encoding: PROTO subscription { path { elem { name: "interfaces" } } }`)
		leafs = 0
		for n := s.next(); n != nil; n = s.next() {
			leafs += len(n.GetUpdate())
		}
	}
	b.ReportMetric(float64(leafs), "leafs")
}

// BenchmarkOnChangeLatency is the time from Publish until the client has the
// decoded Notification, one change at a time.
func BenchmarkOnChangeLatency(b *testing.B) {
	e := start(b, boxSchema(b), nil)
	e.publish("/box:system/uptime", "0")
	s := e.subscribe(b, `encoding: PROTO `+subSystem)
	s.untilSync()
	p, err := tree.ParsePath(e.schema, "/box:system/uptime")
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		v, err := p[1].Node.Type.Parse(fmt.Sprint(i+1), nil)
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if err := e.hub.Publish(begin, []tree.Edit{{Op: tree.Replace, Path: p, Value: v}}); err != nil {
			b.Fatal(err)
		}
		s.next()
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// BenchmarkThousandSubscriptions reports the heap that 1,000 subscriptions on
// four connections hold, server and clients together.
func BenchmarkThousandSubscriptions(b *testing.B) {
	for b.Loop() {
		e := sampled(b)
		before := heap()
		for range 4 {
			conn := e.dial(e.tls)
			b.Cleanup(func() { conn.Close() })
			e.client = gpb.NewGNMIClient(conn)
			for range 250 {
				e.subscribe(b, `encoding: PROTO `+subSystem+subAll).untilSync()
			}
		}
		b.ReportMetric(float64(heap()-before)/1e6, "MB")
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
