// How programs punt: the buckets that limit it, the sessions that consume frames
// instead, and the record in the ring. A program that includes this has the events
// EV_INTERNAL, EV_PUNT_MEG, EV_PUNT_CHANNEL, EV_PUNT_LIMITED, EV_PUNT_FULL and
// EV_PUNTED, the first of PUNT_REASONS.
#pragma once

#include "punts.h"

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

// The channel of a G-ACh frame.
struct gach {
	struct channel *counts; // NULL: there is none
	__u32 slot;
	__u16 type;
	__u8 steady; // STEADY_ANYWHERE, STEADY_SECTION
};

// channel_of looks up the channel type of an ACH. RFC 4385 section 5: an ACH begins
// with nibble 1.
static __always_inline void channel_of(struct gach *g, __u32 ach)
{
	__u32 zero = 0;
	struct slot_table *s = bpf_map_lookup_elem(&channel_slots, &zero);
	__u8 entry;

	if (ach >> 28 != 1 || !s)
		return;
	g->type = ach;
	entry = s->slot[g->type];
	g->slot = SLOT(entry);
	g->steady = entry & ~(CHANNELS - 1);
	g->counts = bpf_map_lookup_elem(&channels, &g->slot);
}

// admit takes a token from the bucket of the channel type and that of the section
// and reason, after the one of the MEG has been asked. The buckets are per CPU: no
// lock, and the rate holds per receive queue's CPU.
static __always_inline __u32 admit(int meg, const struct gach *g, struct bucket *b, __u32 reason, __u64 now)
{
	if (!meg)
		return EV_PUNT_MEG;
	if (g->counts && !spend(&g->counts->bucket, LIMIT_CHANNEL + g->slot, now))
		return EV_PUNT_CHANNEL;
	return b && spend(b, reason, now) ? EV_PUNTED : EV_PUNT_LIMITED;
}

// expected_at tells whether the octets from the ACH on are those that a session in
// a steady state expects there, and notes when they came. What is behind them is
// padding of Ethernet.
static __always_inline int expected_at(const struct steady_key *k, const __u32 *octets, __u64 now)
{
	struct expected *e = bpf_map_lookup_elem(&steady, k);
	struct sighting *at;
	__u32 slot, differ = 0;
	int i;

	if (!e)
		return 0;
#pragma unroll
	for (i = 0; i < STEADY_WORDS; i++)
		differ |= octets[i] ^ e->octets[i];
	if (differ)
		return 0;
	slot = e->seen;
	at = bpf_map_lookup_elem(&seen, &slot);
	if (!at)
		return 0;
	at->last = now;
	__sync_fetch_and_add(&at->count, 1);
	return 1;
}

// consume is expected_at for the places where a frame may be expected: k with any
// section, and on its own.
static __always_inline int consume(const struct gach *g, struct steady_key *k, __u32 ifindex, __u16 vlan,
				   const __u32 *octets, __u64 now)
{
	if (g->steady & STEADY_ANYWHERE && expected_at(k, octets, now))
		return 1;
	if (!(g->steady & STEADY_SECTION))
		return 0;
	k->ifindex = ifindex;
	k->vlan = vlan;
	return expected_at(k, octets, now);
}

// PUNT_RECORD makes a function that puts a record of up to SIZE octets into the
// ring. The program has a struct told and a function tell that writes the head by
// it; LOAD copies octets out of a frame.
#define PUNT_RECORD(SIZE, CONTEXT, LOAD)                                                              \
	static __always_inline __u32 punt_##SIZE(CONTEXT *ctx, __u32 length, const struct told *t)    \
	{                                                                                             \
		struct {                                                                              \
			struct punt head;                                                             \
			__u8 frame[SIZE];                                                             \
		} *r = bpf_ringbuf_reserve(&punts, sizeof(*r), 0);                                    \
		__u64 n = length > SIZE ? SIZE : length;                                              \
                                                                                                      \
		if (!r)                                                                               \
			return EV_PUNT_FULL;                                                          \
		tell(&r->head, t);                                                                    \
		r->head.length = length;                                                              \
		r->head.captured = n;                                                                 \
		/* 1..SIZE: the verifier of 6.1 learns nothing from a test for zero. */               \
		n -= 1;                                                                               \
		asm volatile("%0 &= %1" : "+r"(n) : "i"(SIZE - 1));                                   \
		n += 1;                                                                               \
		if (LOAD(ctx, 0, r->frame, n)) {                                                      \
			bpf_ringbuf_discard(r, 0);                                                    \
			return EV_INTERNAL;                                                           \
		}                                                                                     \
		bpf_ringbuf_submit(r, 0);                                                             \
		return EV_PUNTED;                                                                     \
	}
