package gnmi

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
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

// BenchmarkFanout sends changes of one leaf to 1 and to 100 subscribers in
// this process. ns/op is the time for one change to be with all of them or
// replaced by a newer one; deliveries count what clients received.
func BenchmarkFanout(b *testing.B) {
	for _, subscribers := range []int{1, 100} {
		b.Run(fmt.Sprint(subscribers), func(b *testing.B) {
			e := start(b, boxSchema(b), nil)
			e.publish("/box:system/uptime", "0")
			p, err := tree.ParsePath(e.schema, "/box:system/uptime")
			if err != nil {
				b.Fatal(err)
			}
			var delivered, told atomic.Int64
			var readers sync.WaitGroup
			changes := 20000
			for range subscribers {
				s := e.subscribe(b, `encoding: PROTO subscription { path { elem { name: "system" } elem { name: "uptime" } } mode: ON_CHANGE }`)
				for s.next() != nil {
				}
				readers.Go(func() {
					for {
						resp, err := s.stream.Recv()
						if err != nil {
							b.Error(err)
							return
						}
						delivered.Add(1)
						u := resp.GetUpdate().GetUpdate()[0]
						told.Add(1 + int64(u.GetDuplicates()))
						if u.GetVal().GetUintVal() == uint64(changes) {
							return
						}
					}
				})
			}
			b.ResetTimer()
			begin := time.Now()
			for i := range changes {
				v, err := p[1].Node.Type.Parse(fmt.Sprint(i+1), nil)
				if err != nil {
					b.Fatal(err)
				}
				if err := e.hub.Publish(time.Now(), []tree.Edit{{Op: tree.Replace, Path: p, Value: v}}); err != nil {
					b.Fatal(err)
				}
			}
			readers.Wait()
			b.StopTimer()
			d := time.Since(begin).Seconds()
			b.ReportMetric(float64(delivered.Load())/d, "deliveries/s")
			b.ReportMetric(float64(told.Load())/d, "changes-told/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}
