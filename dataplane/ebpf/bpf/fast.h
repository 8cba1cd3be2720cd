// The short way: a packet whose top label leads straight to a section. It is
// what a transit node does with nearly every packet; stack.h does all the rest.
#pragma once

#include "packet.h"

// The deepest stack written here.
#define FAST_LABELS 4

// The shortest packet sent here, so that the labels need no check of their own.
#define FAST_SIZE (4 * FAST_LABELS)

// Returned for a packet that takes the general way: nothing is counted or
// changed.
#define NOT_PLAIN -1

// What does not matter on this way: class and short pipe choose a queue, and
// there are none; an entropy label is only imposed on what has no label.
#define FAST_LSP_FLAGS (LSP_SHORT_PIPE | LSP_CLASS | LSP_ENTROPY)

// What does not matter of a section that a frame came in on.
#define SECTION_OUT_FLAGS (SECTION_QUEUES | SECTION_BY_TC)

// forward sends a packet whose label stack is at offset at of a frame of len
// octets from a section.
static __always_inline int forward(struct xdp_md *ctx, struct section *in, __u32 at, __u32 len)
{
	__u32 cpu = this_cpu();
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 v, label, ttl, s, tc, top, low = 0, id, n, size, i;
	struct counters *inc, *c, *outc;
	struct label_entry *e;
	struct lsp *l = NULL;
	struct section *out;
	__u16 proto = P_MPLS;
	__u64 lead;
	word *lse;
	int delta;

	lse = data + at;
	if ((void *)(lse + 1) > end || in->flags & ~SECTION_OUT_FLAGS)
		return NOT_PLAIN;
	v = bpf_ntohl(*lse);
	label = v >> 12;
	ttl = v & 255;
	s = v >> 8 & 1;
	tc = v & 7 << 9;
	if (label < LABEL_MIN || ttl <= 1)
		return NOT_PLAIN;
	e = bpf_map_lookup_elem(&platform_labels, &label);
	if (!e)
		return NOT_PLAIN;
	lead = *(volatile __u64 *)&e->lead;
	c = counters_at(cpu, LEAD_COUNTER(lead));
	if (!c)
		return NOT_PLAIN;
	if (lead & LEAD_PLAIN) {
		id = LEAD_SECTION(lead);
		n = !(lead & LEAD_POP);
		top = LEAD_LABEL(lead) | (lead & LEAD_TC_SET ? LEAD_TC(lead) : tc);
		low = ttl - 1;
	} else {
		id = LEAD_REF(lead);
		l = bpf_map_lookup_elem(&lsps, &id);
		// A pseudowire is beyond the end of the table, an empty entry has no operation.
		if (!l || l->counter != LEAD_COUNTER(lead) || l->op < OP_SWAP || l->op > OP_POP_IMPOSE)
			return NOT_PLAIN;
		id = l->out;
		if ((l->flags & ~FAST_LSP_FLAGS) | l->copies | REF_KIND(id))
			return NOT_PLAIN;
		n = l->n;
		top = l->lse[0] | (l->tc_set & 1 ? 0 : tc);
		if (l->op == OP_SWAP)
			low = ttl - 1;
	}
	out = section_of(id);
	if (!out || !out->ifindex || out->flags & ~(SECTION_OWN_SPACE | SECTION_BY_TC))
		return NOT_PLAIN;
	size = len - at - 4 + 4 * n;
	if (n > FAST_LABELS || size > out->mtu || size < FAST_SIZE)
		return NOT_PLAIN;
	if (!n && s) {
		proto = ip_protocol(ctx, at + 4);
		if (!proto)
			return NOT_PLAIN;
	}
	inc = counters_at(cpu, in->counter);
	outc = counters_at(cpu, out->counter);
	if (!inc || !outc)
		return NOT_PLAIN;
	delta = (int)at + 4 - (int)(ETH_HLEN + (out->vlan ? 4 : 0) + 4 * n);
	if (delta) {
		if (bpf_xdp_adjust_head(ctx, delta))
			return NOT_PLAIN;
		data = (void *)(long)ctx->data;
		end = (void *)(long)ctx->data_end;
	}
	inc->in_packets++;
	inc->in_octets += len - at;
	c->in_packets++;
	c->in_octets += len - at;
	if (data + ETH_HLEN + FAST_SIZE > end)
		return drop_out(c, outc, EV_INTERNAL);
	put_addresses(data, out);
	if (out->vlan) {
		if (data + ETH_HLEN + 4 + FAST_SIZE > end)
			return drop_out(c, outc, EV_INTERNAL);
		*(word *)(data + 2 * ETH_ALEN) = P_VLAN | (__u32)bpf_htons(out->vlan) << 16;
		data += 4;
	}
	*(half *)(data + 2 * ETH_ALEN) = proto;
	lse = data + ETH_HLEN;
	low |= s << 8;
	if (n)
		lse[0] = bpf_htonl(n == 1 ? top | low : top);
	if (l && n > 1) {
#pragma unroll
		for (i = 1; i < FAST_LABELS; i++) {
			if (i < n) {
				v = l->lse[i];
				if (!(l->tc_set & 1 << i))
					v |= tc;
				if (i == n - 1)
					v |= low;
				lse[i] = bpf_htonl(v);
			}
		}
	}
	c->out_packets++;
	c->out_octets += size;
	outc->out_packets++;
	outc->out_octets += size;
	return bpf_redirect(out->ifindex, 0);
}
