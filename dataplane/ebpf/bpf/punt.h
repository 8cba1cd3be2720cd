// Punts: copies of frames for OAM, as far as the buckets allow, and the CC
// packets that are consumed here because they change nothing.
#pragma once

#include "packet.h"

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

// spend takes a token from a bucket.
static __always_inline int spend(struct bucket *b, __u32 limit, __u64 now)
{
	struct limit *l = bpf_map_lookup_elem(&limits, &limit);
	__u64 credit;

	if (!l)
		return 0;
	credit = b->credit + (now - b->time);
	if (credit > l->burst)
		credit = l->burst;
	b->time = now;
	if (credit < l->cost) {
		b->credit = credit;
		return 0;
	}
	b->credit = credit - l->cost;
	return 1;
}

// admit takes a token from the bucket of a section and reason. The buckets are
// per CPU: no lock, and the rate holds per receive queue's CPU.
static __always_inline int admit(__u32 section, __u32 reason, __u64 now)
{
	__u32 key = section * PUNT_REASONS + reason;
	struct bucket *b = bpf_map_lookup_elem(&buckets, &key);

	return b && spend(b, reason, now);
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

static long add_cpu(__u32 cpu, struct sum *s)
{
	__u32 at = cpu * counters_per_cpu + s->counter;
	struct counters *c = bpf_map_lookup_elem(&counter_table, &at);

	if (!c)
		return 1;
	s->in_packets += c->in_packets;
	s->in_octets += c->in_octets;
	s->out_packets += c->out_packets;
	s->out_octets += c->out_octets;
	return 0;
}

// What a record tells beside its origin.
struct told {
	__u64 now;
	__u16 channel;
	__u8 ach;
};

static __always_inline void tell(struct punt *r, const struct origin *o, const struct told *t, const struct sum *s)
{
	r->time = t->now;
	r->in_packets = s->in_packets;
	r->in_octets = s->in_octets;
	r->out_packets = s->out_packets;
	r->out_octets = s->out_octets;
	r->ifindex = o->ifindex;
	r->section = o->section;
	r->label = o->label;
	r->length = o->len;
	r->vlan = o->vlan;
	r->channel = t->channel;
	r->reason = o->reason;
	r->has_label = o->has_label;
	r->stack = o->stack;
	r->depth = o->depth;
	r->entity = o->entity;
	r->ach = t->ach;
}

#define PUNT_RECORD(SIZE)                                                                   \
	static __always_inline int punt_##SIZE(struct xdp_md *ctx, const struct origin *o,   \
					       const struct told *t, const struct sum *s)    \
	{                                                                                    \
		struct {                                                                     \
			struct punt head;                                                    \
			__u8 frame[SIZE];                                                    \
		} *r = bpf_ringbuf_reserve(&punts, sizeof(*r), 0);                           \
		__u64 n = o->len > SIZE ? SIZE : o->len;                                     \
                                                                                             \
		if (!r)                                                                      \
			return EV_PUNT_FULL;                                                 \
		tell(&r->head, o, t, s);                                                     \
		r->head.captured = n;                                                        \
		/* 1..SIZE: the verifier of 6.1 learns nothing from a test for zero. */      \
		n -= 1;                                                                      \
		asm volatile("%0 &= %1" : "+r"(n) : "i"(SIZE - 1));                          \
		n += 1;                                                                      \
		if (bpf_xdp_load_bytes(ctx, 0, r->frame, n)) {                               \
			bpf_ringbuf_discard(r, 0);                                           \
			return EV_INTERNAL;                                                  \
		}                                                                            \
		bpf_ringbuf_submit(r, 0);                                                    \
		return EV_PUNTED + (o->reason < PUNT_REASONS ? o->reason : 0);         \
	}

PUNT_RECORD(PUNT_SHORT)
PUNT_RECORD(PUNT_LONG)

// channel_at finds the counters of the channel type of the ACH at offset off.
static __always_inline struct channel *channel_at(struct xdp_md *ctx, __u64 off, __u16 *type, __u32 *slot)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct slot_table *s;
	__u32 zero = 0;
	__be32 *ach;

	bound(off);
	ach = data + off;
	if ((void *)(ach + 1) > end || bpf_ntohl(*ach) >> 28 != 1)
		return NULL; // RFC 4385 section 5: an ACH begins with nibble 1
	*type = bpf_ntohl(*ach);
	s = bpf_map_lookup_elem(&channel_slots, &zero);
	if (!s)
		return NULL;
	*slot = s->slot[*type];
	return bpf_map_lookup_elem(&channels, slot);
}

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

// steady_at tells whether the frame is the one that a session in a steady state
// expects, and notes when it came. What is behind the control packet is padding
// of Ethernet.
static __always_inline int steady_at(struct xdp_md *ctx, struct steady_key *k, __u64 off, __u64 now)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct expected *s = bpf_map_lookup_elem(&steady, k);
	struct sighting *seen_at;
	__u32 *w, slot, differ = 0;
	int i;

	if (!s)
		return 0;
	bound(off);
	w = data + off;
	if ((void *)(w + STEADY_WORDS) > end)
		return 0;
#pragma unroll
	for (i = 0; i < STEADY_WORDS; i++)
		differ |= w[i] ^ s->octets[i];
	if (differ)
		return 0;
	slot = s->seen;
	seen_at = bpf_map_lookup_elem(&seen, &slot);
	if (!seen_at)
		return 0;
	seen_at->last = now;
	__sync_fetch_and_add(&seen_at->count, 1);
	return 1;
}

static __always_inline int consume(struct xdp_md *ctx, const struct origin *o, __u64 now)
{
	struct steady_key k = { .label = o->label, .has_label = o->has_label, .reason = o->reason };

	if (o->has_label && steady_at(ctx, &k, o->ach, now))
		return 1;
	k.ifindex = o->ifindex;
	k.vlan = o->vlan;
	return steady_at(ctx, &k, o->ach, now);
}

// report ends a frame that is OAM's: it is consumed, or a copy of it goes to user
// space.
__noinline int report(struct xdp_md *ctx, const struct origin *o)
{
	struct counters *secc;
	struct channel *ch = NULL;
	struct told t = {};
	struct sum s = {};
	__u32 ev, slot = 0, section;

	if (!o)
		return XDP_DROP;
	section = o->section;
	secc = counters_of(o->section_counter);
	t.now = bpf_ktime_get_ns();
	if (o->reason == PUNT_TTL) {
		__u64 *n = bpf_map_lookup_elem(&expiries, &section);

		if (n)
			(*n)++;
	}
	if (o->ach) {
		ch = channel_at(ctx, o->ach, &t.channel, &slot);
		if (ch) {
			ch->received++;
			if (consume(ctx, o, t.now)) {
				ch->consumed++;
				return XDP_DROP;
			}
			t.ach = o->ach;
		}
	}
	ev = EV_PUNTED;
	s.counter = o->entity == ENTITY_SECTION ? o->section_counter : o->counter;
	if (!admit_meg(s.counter, t.now))
		ev = EV_PUNT_MEG;
	else if (ch && !spend(&ch->bucket, LIMIT_CHANNEL + slot, t.now))
		ev = EV_PUNT_CHANNEL;
	else if (!admit(section, o->reason, t.now))
		ev = EV_PUNT_LIMITED;
	if (ev != EV_PUNTED) {
		if (ch)
			ch->limited++;
		count_event(ev);
		if (secc)
			secc->in_drops++;
		return XDP_DROP;
	}
	if (s.counter)
		bpf_loop(cpus, add_cpu, &s, 0);
	if (o->len <= PUNT_SHORT)
		ev = punt_PUNT_SHORT(ctx, o, &t, &s);
	else
		ev = punt_PUNT_LONG(ctx, o, &t, &s);
	count_event(ev);
	if (ev < EV_PUNTED) {
		if (secc)
			secc->in_drops++;
	} else if (ch) {
		ch->punted++;
	}
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
