// Punts: copies of frames for OAM, as far as the buckets allow, and the CC
// packets that are consumed here because they change nothing. What is the same in
// the kernel driver's tap is in punting.h.
#pragma once

#include "packet.h"
#include "../../punt/bpf/punting.h"

// What a punted frame belongs to.
struct origin {
	__u32 label;
	__u32 counter; // of an LSP or pseudowire; 0: none
	__u8 reason;
	__u8 entity;
	__u8 has_label;
	__u8 depth; // labels above the one that led to the punt
	__u32 ach;  // offset of the ACH, 0: there is none
	// Filled in by punt_frame: where the frame came in.
	__u32 section, section_counter, ifindex, len;
	__u16 vlan;
	__u16 stack;
};

// bucket_of is the bucket of a section and reason.
static __always_inline struct bucket *bucket_of(__u32 section, __u32 reason)
{
	__u32 key = section * PUNT_REASONS + reason;

	return bpf_map_lookup_elem(&buckets, &key);
}

// admit_meg takes a token from the bucket of a MEG.
static __always_inline int admit_meg(__u32 counter, __u64 now)
{
	struct counters *c = bpf_map_lookup_elem(&counter_table, &counter);

	return !counter || (c && spend(&c->meg, LIMIT_MEG, now));
}

struct sum {
	__u32 counter;
	__u64 in_packets, in_octets, out_packets, out_octets;
};

// add_up sums the counters of all CPUs. A plain loop: their number is a constant to
// the verifier, and bpf_loop costs more than what it calls.
static __always_inline void add_up(struct sum *s)
{
	__u64 i, n = cpus;
	__u32 at = s->counter;

	for (i = 0; i < n; i++) {
		struct counters *c = bpf_map_lookup_elem(&counter_table, &at);

		if (!c)
			return;
		s->in_packets += c->in_packets;
		s->in_octets += c->in_octets;
		s->out_packets += c->out_packets;
		s->out_octets += c->out_octets;
		at += counters_per_cpu;
	}
}

// What a record tells.
struct told {
	const struct origin *o;
	__u64 now;
	__u16 channel;
	__u8 ach;
	struct sum sum;
};

static __always_inline void tell(struct punt *r, const struct told *t)
{
	const struct origin *o = t->o;

	r->time = t->now;
	r->in_packets = t->sum.in_packets;
	r->in_octets = t->sum.in_octets;
	r->out_packets = t->sum.out_packets;
	r->out_octets = t->sum.out_octets;
	r->ifindex = o->ifindex;
	r->section = o->section;
	r->label = o->label;
	r->vlan = o->vlan;
	r->channel = t->channel;
	r->reason = o->reason;
	r->has_label = o->has_label;
	r->stack = o->stack;
	r->depth = o->depth;
	r->entity = o->entity;
	r->ach = t->ach;
}

PUNT_RECORD(PUNT_SHORT, struct xdp_md, bpf_xdp_load_bytes)
PUNT_RECORD(PUNT_LONG, struct xdp_md, bpf_xdp_load_bytes)

// ach_below is the offset of the ACH of a G-ACh frame whose GAL is at offset off;
// 0: none.
static __always_inline __u32 ach_below(struct xdp_md *ctx, __u64 off, __u32 bottom)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__be32 *lse;
	__u32 v;

	bound(off);
	lse = data + off;
	if (bottom || (void *)(lse + 2) > end)
		return 0;
	v = bpf_ntohl(*lse);
	return v >> 12 == LABEL_GAL && v & 1 << 8 ? off + 4 : 0;
}

// associated looks at the ACH of a frame: its channel, and whether the frame is one
// that a steady session expects.
static __always_inline int associated(struct xdp_md *ctx, const struct origin *o, struct gach *g, __u64 now)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct steady_key k = { .label = o->label, .has_label = o->has_label, .reason = o->reason };
	__u64 off = o->ach;
	__u32 *octets;

	bound(off);
	octets = data + off;
	if ((void *)(octets + 1) > end)
		return 0;
	channel_of(g, bpf_ntohl(*octets));
	if (!g->counts)
		return 0;
	g->counts->received++;
	return (void *)(octets + STEADY_WORDS) <= end && consume(g, &k, o->ifindex, o->vlan, octets, now);
}

// report ends a frame that is OAM's: it is consumed, or a copy of it goes to user
// space.
__noinline int report(struct xdp_md *ctx, const struct origin *o)
{
	struct counters *secc;
	struct told t = {};
	struct gach g = {};
	__u32 ev, section;

	if (!o)
		return XDP_DROP;
	section = o->section;
	t.o = o;
	t.now = bpf_ktime_get_ns();
	if (o->reason == PUNT_TTL) {
		__u64 *n = bpf_map_lookup_elem(&expiries, &section);

		if (n)
			(*n)++;
	}
	if (o->ach && associated(ctx, o, &g, t.now)) {
		g.counts->consumed++;
		return XDP_DROP;
	}
	t.sum.counter = o->entity == ENTITY_SECTION ? o->section_counter : o->counter;
	ev = admit(admit_meg(t.sum.counter, t.now), &g, bucket_of(section, o->reason), o->reason, t.now);
	if (ev != EV_PUNTED) {
		if (g.counts)
			g.counts->limited++;
	} else {
		if (t.sum.counter)
			add_up(&t.sum);
		if (g.counts) {
			t.channel = g.type;
			t.ach = o->ach;
		}
		ev = o->len <= PUNT_SHORT ? punt_PUNT_SHORT(ctx, o->len, &t) : punt_PUNT_LONG(ctx, o->len, &t);
	}
	if (ev == EV_PUNTED) {
		if (g.counts)
			g.counts->punted++;
		ev += o->reason < PUNT_REASONS ? o->reason : 0;
	} else {
		secc = counters_of(o->section_counter);
		if (secc)
			secc->in_drops++;
	}
	count_event(ev);
	return XDP_DROP;
}

// punt_frame is report of what is known of the packet under way.
static __always_inline int punt_frame(struct xdp_md *ctx, struct packet *p, struct origin *o)
{
	o->section = p->section;
	o->section_counter = p->sec ? p->sec->counter : 0;
	o->ifindex = p->ifindex;
	o->len = p->len;
	o->vlan = p->vlan;
	o->stack = p->stack;
	return report(ctx, o);
}
