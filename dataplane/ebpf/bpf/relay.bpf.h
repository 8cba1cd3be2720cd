// The far end of the impose device: what the host's IP stack sends into an LSP.
#pragma once

#include "packet.h"
#include "send.h"

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
