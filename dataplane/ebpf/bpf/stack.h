// The way in: the section of a frame, its label stack, what belongs to each label.
#pragma once

#include "packet.h"
#include "punt.h"
#include "send.h"

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
			struct origin o = { .label = label, .has_label = 1, .entity = ENTITY_NONE, .depth = depth };

			if (label == LABEL_GAL) {
				// RFC 5586 section 4.2.1: always the bottom of the stack,
				// with the ACH below; section 4.1: on top for a section.
				if (!s || (void *)(lse + 2) > end || (depth && !has_above))
					return drop_in(p, NULL, EV_MALFORMED);
				o.label = above;
				o.has_label = has_above;
				o.counter = counter;
				o.entity = has_above ? ENTITY_LSP : ENTITY_SECTION;
				o.ach = off + 4;
				return punt_frame(ctx, p, &o);
			}
			if (label == LABEL_ROUTER_ALERT) {
				// RFC 3032 section 2.1: anywhere but at the bottom.
				if (s)
					return drop_in(p, NULL, EV_MALFORMED);
				o.reason = PUNT_ROUTER_ALERT;
				return punt_frame(ctx, p, &o);
			}
			if (label != LABEL_IPV4_NULL && label != LABEL_IPV6_NULL) {
				o.reason = PUNT_RESERVED;
				return punt_frame(ctx, p, &o);
			}
			if (ttl <= 1) {
				count_event(EV_TTL);
				o.reason = PUNT_TTL;
				return punt_frame(ctx, p, &o);
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
				struct origin o = { .label = label, .has_label = 1, .depth = depth };

				count_event(EV_TTL);
				c->in_drops++;
				o.reason = PUNT_TTL;
				o.counter = id;
				o.entity = ENTITY_LSP;
				o.ach = ach_below(ctx, off, s);
				return punt_frame(ctx, p, &o);
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
