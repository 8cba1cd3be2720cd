// Punts: copies of frames for OAM, as far as the buckets allow.
#pragma once

#include "packet.h"

#define MAX_CPUS 1024

// admit takes a token from the bucket of a section and reason. The buckets are
// per CPU: no lock, and the rate holds per receive queue's CPU.
static __always_inline int admit(__u32 section, __u32 reason, __u64 now)
{
	__u32 key = section * PUNT_REASONS + reason;
	struct limit *l = bpf_map_lookup_elem(&limits, &reason);
	struct bucket *b = bpf_map_lookup_elem(&buckets, &key);
	__u64 credit;

	if (!l || !b)
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

struct sum {
	__u32 counter;
	__u64 packets, octets;
};

static long add_cpu(__u32 cpu, struct sum *s)
{
	struct counters *c = bpf_map_lookup_percpu_elem(&lsp_counters, &s->counter, cpu);

	if (!c)
		return 1;
	s->packets += c->in_packets;
	s->octets += c->in_octets;
	return 0;
}

#define PUNT_RECORD(SIZE)                                                                   \
	static __always_inline int punt_##SIZE(struct xdp_md *ctx, const struct punt *head,  \
					       __u32 len)                                    \
	{                                                                                    \
		struct {                                                                     \
			struct punt head;                                                    \
			__u8 frame[SIZE];                                                    \
		} *r = bpf_ringbuf_reserve(&punts, sizeof(*r), 0);                           \
		__u64 n = len > SIZE ? SIZE : len;                                           \
                                                                                             \
		if (!r)                                                                      \
			return EV_PUNT_FULL;                                                 \
		r->head = *head;                                                             \
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
		return EV_PUNTED + (head->reason < PUNT_REASONS ? head->reason : 0);                     \
	}

PUNT_RECORD(PUNT_SHORT)
PUNT_RECORD(PUNT_LONG)

// punt hands a copy of the frame to user space and ends it. c and counter are
// those of the LSP that the frame belongs to, if any.
static __noinline int punt_copy(struct xdp_md *ctx, struct packet *p, __u32 what, __u32 label, __u32 counter)
{
	__u32 reason = what & 255, has_label = what >> 8 & 1, depth = what >> 16;
	struct punt head = {};
	struct sum s = { .counter = counter };
	__u32 ev;

	head.time = bpf_ktime_get_ns();
	if (!admit(p->section, reason, head.time)) {
		count_event(EV_PUNT_LIMITED);
		if (p->secc)
			p->secc->in_drops++;
		return XDP_DROP;
	}
	if (counter)
		bpf_loop(MAX_CPUS, add_cpu, &s, 0);
	head.ifindex = p->ifindex;
	head.section = p->section;
	head.label = label;
	head.length = p->len;
	head.reason = reason;
	head.has_label = has_label;
	head.stack = p->stack;
	head.depth = depth;
	head.vlan = p->vlan;
	head.packets = s.packets;
	head.octets = s.octets;
	if (p->len <= PUNT_SHORT)
		ev = punt_PUNT_SHORT(ctx, &head, p->len);
	else
		ev = punt_PUNT_LONG(ctx, &head, p->len);
	count_event(ev);
	if (ev < EV_PUNTED && p->secc)
		p->secc->in_drops++;
	return XDP_DROP;
}

static __always_inline int punt_frame(struct xdp_md *ctx, struct packet *p, __u32 reason, int has_label,
				      __u32 label, __u32 depth, __u32 counter)
{
	return punt_copy(ctx, p, reason | (__u32)has_label << 8 | depth << 16, label, counter);
}
