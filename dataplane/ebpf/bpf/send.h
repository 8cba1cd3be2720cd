// The way out: labels, the Ethernet header, the section.
#pragma once

#include "packet.h"

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
