// The forwarding code, shared by the programs and the benchmark's wrappers.
#pragma once

#include "maps.h"

#define P_MPLS bpf_htons(0x8847)
#define P_VLAN bpf_htons(ETH_P_8021Q)
#define P_IP bpf_htons(ETH_P_IP)
#define P_IPV6 bpf_htons(ETH_P_IPV6)

#define LABEL_IPV4_NULL 0
#define LABEL_ROUTER_ALERT 1
#define LABEL_IPV6_NULL 2
#define LABEL_GAL 13
#define LABEL_MIN 16

#define MAX_CPUS 1024

// bound tells the verifier what it forgets of an offset that was in memory: no
// offset is above ETH_HLEN + 4 + 4 * (MAX_RECEIVE + 1). In assembly, or the
// compiler, which knows, leaves it out.
#define bound(off) asm volatile("%0 &= 127" : "+r"(off))

// What is known of the packet under way.
struct packet {
	struct section *sec;   // it came in on
	struct counters *secc; // of sec
	__u32 section;
	__u32 len;
	__u32 stack; // offset of the label stack, or of the IP header
	__u16 vlan;
};

static __always_inline void count_event(__u32 ev)
{
	__u64 *n = bpf_map_lookup_elem(&events, &ev);

	if (n)
		(*n)++;
}

// drop_in counts a drop at the LSP that it happened to, or else at the section.
static __always_inline int drop_in(struct packet *p, struct counters *c, __u32 ev)
{
	count_event(ev);
	if (c)
		c->in_drops++;
	else if (p->secc)
		p->secc->in_drops++;
	return XDP_DROP;
}

// drop_out counts a drop at the LSP and at the section it was to leave by.
static __always_inline int drop_out(struct counters *c, struct counters *outc, __u32 ev)
{
	count_event(ev);
	if (outc)
		outc->out_drops++;
	c->out_drops++;
	return XDP_DROP;
}

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
		return EV_PUNTED + (head->reason & (PUNT_REASONS - 1));                      \
	}

PUNT_RECORD(PUNT_SHORT)
PUNT_RECORD(PUNT_LONG)

// punt hands a copy of the frame to user space and ends it. c and counter are
// those of the LSP that the frame belongs to, if any.
static __always_inline int punt_frame(struct xdp_md *ctx, struct packet *p, __u32 reason, int has_label,
				__u32 label, __u32 depth, __u32 counter)
{
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
	head.ifindex = ctx->ingress_ifindex;
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

// ip_protocol tells the ethertype of an IP payload at offset off, 0 if it is none.
static __always_inline __u16 ip_protocol(struct xdp_md *ctx, __u64 off)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 *b;

	bound(off);
	b = data + off;
	if ((void *)(b + 20) > end)
		return 0;
	if (*b >> 4 == 4)
		return (*b & 15) >= 5 ? P_IP : 0;
	if (*b >> 4 == 6 && (void *)(b + 40) <= end)
		return P_IPV6;
	return 0;
}

// forward sends the packet on as the LSP says. strip is the number of octets
// that go from the front: the Ethernet header and the labels popped. s tells
// whether the stack is empty behind them; ttl and tc are those of the label
// popped last, or of the IP packet.
static __always_inline int forward(struct xdp_md *ctx, struct lsp *l, struct counters *c, __u32 len,
				   __u32 strip, __u32 ttl, __u32 tc, __u32 s)
{
	__u32 out = l->out, n = l->n, head, size, i, swap = l->op == OP_SWAP;
	struct section *o = bpf_map_lookup_elem(&sections, &out);
	struct counters *oc = bpf_map_lookup_elem(&section_counters, &out);
	__u16 proto = P_MPLS;
	struct ethhdr *eth;
	void *data, *end;
	__be16 *type;
	__be32 *lse;
	int delta;

	if (!o || !oc || n > MAX_IMPOSE || strip > len)
		return drop_out(c, oc, EV_INTERNAL);
	if (!o->ifindex || o->flags & SECTION_DOWN)
		return drop_out(c, oc, EV_SECTION_DOWN);
	if (!n && s) {
		proto = ip_protocol(ctx, strip);
		if (!proto)
			return drop_out(c, oc, EV_PAYLOAD);
	}
	size = len - strip + 4 * n;
	if (size > o->mtu)
		return drop_out(c, oc, EV_MTU);
	head = ETH_HLEN + (o->vlan ? 4 : 0);
	delta = (int)strip - (int)(head + 4 * n);
	if (delta && bpf_xdp_adjust_head(ctx, delta))
		return drop_out(c, oc, EV_INTERNAL);
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = data;
	if ((void *)(eth + 1) > end)
		return drop_out(c, oc, EV_INTERNAL);
	__builtin_memcpy(eth->h_dest, o->peer, 6);
	__builtin_memcpy(eth->h_source, o->own, 6);
	type = data + 2 * ETH_ALEN;
	if (o->vlan) {
		if ((void *)(type + 3) > end)
			return drop_out(c, oc, EV_INTERNAL);
		type[0] = P_VLAN;
		type[1] = bpf_htons(o->vlan);
		type += 2;
	}
	*type = proto;
	lse = (void *)(type + 1);
	for (i = 0; i < MAX_IMPOSE; i++) {
		__u32 v;

		if (i >= n)
			break;
		if ((void *)(lse + 1) > end)
			return drop_out(c, oc, EV_INTERNAL);
		v = l->lse[i];
		if (!(l->tc_set & 1 << i))
			v |= tc << 9;
		if (i == n - 1) {
			v |= s << 8;
			if (swap)
				v |= ttl - 1;
		}
		*lse++ = bpf_htonl(v);
	}
	c->out_packets++;
	c->out_octets += size;
	oc->out_packets++;
	oc->out_octets += size;
	return bpf_redirect(o->ifindex, 0);
}

// deliver hands the IP packet at offset strip to the host's IP stack, as if it
// had come in untagged on the section's interface.
static __always_inline int deliver(struct xdp_md *ctx, struct packet *p, struct counters *c, __u32 strip,
				   __u16 want)
{
	__u16 proto = ip_protocol(ctx, strip);
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u8 source[ETH_ALEN];

	if (!proto || (want && proto != want))
		return drop_in(p, c, EV_PAYLOAD);
	if ((void *)(eth + 1) > end)
		return drop_in(p, c, EV_INTERNAL);
	__builtin_memcpy(source, eth->h_source, ETH_ALEN);
	if (bpf_xdp_adjust_head(ctx, (int)strip - ETH_HLEN))
		return drop_in(p, c, EV_INTERNAL);
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)(eth + 1) > end)
		return drop_in(p, c, EV_INTERNAL);
	__builtin_memcpy(eth->h_dest, p->sec->own, 6);
	__builtin_memcpy(eth->h_source, source, ETH_ALEN);
	eth->h_proto = proto;
	return XDP_PASS;
}

// find looks a label up in the section's own space, or in the per-platform
// one. A label below another was given to a peer that need not be on this
// section, so it can be of the per-platform space also where the section has
// one of its own (RFC 3031 section 3.14).
static __always_inline struct lsp *find(struct packet *p, __u32 label, __u32 depth)
{
	__u32 *id;

	if (p->sec->flags & SECTION_OWN_SPACE) {
		struct label_key k = { .section = p->section, .label = label };

		id = bpf_map_lookup_elem(&section_labels, &k);
		if (id)
			return bpf_map_lookup_elem(&lsps, id);
		if (!depth)
			return NULL;
	}
	id = bpf_map_lookup_elem(&platform_labels, &label);
	if (!id || !*id)
		return NULL;
	return bpf_map_lookup_elem(&lsps, id);
}

// stack works down the label stack until the packet is sent, delivered, punted
// or dropped.
static __always_inline int stack(struct xdp_md *ctx, struct packet *p)
{
	__u64 off = p->stack;
	__u32 above = 0, has_above = 0, counter = 0, depth;

	for (depth = 0; depth < MAX_RECEIVE; depth++) {
		void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
		__u32 v, label, tc, s, ttl, id, gal_next;
		struct counters *c;
		struct lsp *l;
		__be32 *lse;

		bound(off);
		lse = data + off;
		if ((void *)(lse + 1) > end)
			return drop_in(p, NULL, EV_MALFORMED);
		v = bpf_ntohl(*lse);
		label = v >> 12;
		tc = v >> 9 & 7;
		s = v >> 8 & 1;
		ttl = v & 255;
		if (label < LABEL_MIN) {
			if (label == LABEL_GAL) {
				// RFC 5586 section 4.2.1: always the bottom of the stack,
				// with the ACH below; section 4.1: on top for a section.
				if (!s || (void *)(lse + 2) > end || (depth && !has_above))
					return drop_in(p, NULL, EV_MALFORMED);
				return punt_frame(ctx, p, PUNT_GAL, has_above, above, depth, counter);
			}
			if (label == LABEL_ROUTER_ALERT) {
				// RFC 3032 section 2.1: anywhere but at the bottom.
				if (s)
					return drop_in(p, NULL, EV_MALFORMED);
				return punt_frame(ctx, p, PUNT_ROUTER_ALERT, 1, label, depth, 0);
			}
			if (label != LABEL_IPV4_NULL && label != LABEL_IPV6_NULL)
				return punt_frame(ctx, p, PUNT_RESERVED, 1, label, depth, 0);
			if (ttl <= 1) {
				count_event(EV_TTL);
				return punt_frame(ctx, p, PUNT_TTL, 1, label, depth, 0);
			}
			off += 4;
			if (s)
				return deliver(ctx, p, NULL, off, label == LABEL_IPV4_NULL ? P_IP : P_IPV6);
			has_above = 0; // nobody's G-ACh can be below an explicit null
			counter = 0;
			continue;
		}
		l = find(p, label, depth);
		if (!l || l->op <= OP_IMPOSE || l->op > OP_POP_LOOKUP)
			return drop_in(p, NULL, EV_NO_LABEL);
		id = l->counter;
		c = bpf_map_lookup_elem(&lsp_counters, &id);
		if (!c)
			return drop_in(p, NULL, EV_INTERNAL);
		c->in_packets++;
		c->in_octets += p->len - off;
		off += 4;
		// OAM of an LSP that ends here reaches its MEP also while the LSP is
		// down, and with whatever TTL it arrives.
		gal_next = l->op == OP_POP_LOOKUP && !s && (void *)(lse + 2) <= end &&
			   bpf_ntohl(lse[1]) >> 12 == LABEL_GAL;
		if (!gal_next) {
			if (ttl <= 1) {
				count_event(EV_TTL);
				c->in_drops++;
				return punt_frame(ctx, p, PUNT_TTL, 1, label, depth, id);
			}
			if (l->flags & LSP_DOWN)
				return drop_in(p, c, EV_LSP_DOWN);
			if (l->op != OP_POP_LOOKUP)
				return forward(ctx, l, c, p->len, off, ttl, tc, s);
			if (s)
				return deliver(ctx, p, c, off, 0);
		}
		above = label;
		has_above = 1;
		counter = id;
	}
	return drop_in(p, NULL, EV_TOO_DEEP);
}

static __always_inline int same_mac(const __u8 *a, const __u8 *b)
{
	return *(__u16 *)a == *(__u16 *)b && *(__u16 *)(a + 2) == *(__u16 *)(b + 2) &&
	       *(__u16 *)(a + 4) == *(__u16 *)(b + 4);
}

// label_switch is the receive side of a section's interface.
static __always_inline int label_switch(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	static const __u8 multicast[6] = { 0x01, 0x00, 0x5e, 0x90, 0x00, 0x00 };
	struct port_key port = { .ifindex = ctx->ingress_ifindex };
	struct packet p = { .len = end - data, .stack = ETH_HLEN };
	struct ethhdr *eth = data;
	__u32 *id;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == P_VLAN) {
		__be16 *tag = data + ETH_HLEN;

		if ((void *)(tag + 2) > end || tag[1] != P_MPLS)
			return XDP_PASS;
		port.vlan = bpf_ntohs(tag[0]) & 0xfff;
		p.vlan = port.vlan;
		p.stack += 4;
	} else if (eth->h_proto != P_MPLS) {
		return XDP_PASS;
	}
	if (!port.vlan && port.ifindex < DIRECT_PORTS)
		id = bpf_map_lookup_elem(&direct_ports, &port.ifindex);
	else
		id = bpf_map_lookup_elem(&ports, &port);
	if (!id || !*id)
		return XDP_PASS;
	p.section = *id;
	p.sec = bpf_map_lookup_elem(&sections, &p.section);
	p.secc = bpf_map_lookup_elem(&section_counters, &p.section);
	if (!p.sec || !p.secc)
		return XDP_PASS;
	if (!same_mac(eth->h_dest, p.sec->own) && !same_mac(eth->h_dest, multicast))
		return drop_in(&p, NULL, EV_FOREIGN_MAC);
	p.secc->in_packets++;
	p.secc->in_octets += p.len - p.stack;
	if (p.sec->flags & SECTION_DOWN)
		return drop_in(&p, NULL, EV_SECTION_DOWN);
	return stack(ctx, &p);
}

// impose_ip is the far end of the impose device: the host's IP stack has
// routed a packet into an LSP.
static __always_inline int impose_ip(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 len = end - data, id, *found = NULL;
	struct packet p = {};
	struct ethhdr *eth = data;
	struct counters *c;
	struct lsp *l;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->h_proto == P_IP) {
		struct prefix4_key k = { .length = 32 };

		if (data + ETH_HLEN + 20 > end)
			return XDP_DROP;
		__builtin_memcpy(k.address, data + ETH_HLEN + 16, 4);
		found = bpf_map_lookup_elem(&prefixes4, &k);
	} else if (eth->h_proto == P_IPV6) {
		struct prefix6_key k = { .length = 128 };

		if (data + ETH_HLEN + 40 > end)
			return XDP_DROP;
		__builtin_memcpy(k.address, data + ETH_HLEN + 24, 16);
		found = bpf_map_lookup_elem(&prefixes6, &k);
	} else {
		return XDP_DROP;
	}
	if (!found)
		return drop_in(&p, NULL, EV_NO_PREFIX);
	l = bpf_map_lookup_elem(&lsps, found);
	if (!l || l->op != OP_IMPOSE)
		return drop_in(&p, NULL, EV_INTERNAL);
	id = l->counter;
	c = bpf_map_lookup_elem(&lsp_counters, &id);
	if (!c)
		return drop_in(&p, NULL, EV_INTERNAL);
	c->in_packets++;
	c->in_octets += len - ETH_HLEN;
	if (l->flags & LSP_DOWN)
		return drop_in(&p, c, EV_LSP_DOWN);
	return forward(ctx, l, c, len, ETH_HLEN, 0, 0, 1);
}
