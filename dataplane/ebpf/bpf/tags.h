// The tags of an Ethernet frame: what they are, and how they change.
#pragma once

#include "packet.h"

// The tags of an Ethernet frame, up to two: the outer one first.
struct tags {
	__u16 n;
	__u16 type;    // behind them
	__u16 tpid[2]; // as on the wire
	__u16 tci[2];
};

static __always_inline int is_tag(__u16 type)
{
	return type == P_VLAN || type == P_QINQ;
}

// read_tags reads the tags of the frame at offset at, as if the first skip
// octets behind its addresses were not there. It fails where the frame is cut
// short.
static __always_inline int read_tags(struct xdp_md *ctx, __u64 at, __u32 skip, struct tags *t)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__be16 *w;

	at += 2 * ETH_ALEN + skip;
	bound(at);
	w = data + at;
	t->n = 0;
	if ((void *)(w + 1) > end)
		return -1;
	t->type = w[0];
	if (!is_tag(w[0]))
		return 0;
	if ((void *)(w + 3) > end)
		return -1;
	t->n = 1;
	t->tpid[0] = w[0];
	t->tci[0] = bpf_ntohs(w[1]);
	t->type = w[2];
	if (!is_tag(w[2]))
		return 0;
	if ((void *)(w + 5) > end)
		return -1;
	t->n = 2;
	t->tpid[1] = w[2];
	t->tci[1] = bpf_ntohs(w[3]);
	t->type = w[4];
	return 0;
}

static __always_inline __u32 header_of(const struct tags *t)
{
	return ETH_HLEN + 4 * t->n;
}

static __always_inline __u32 vid(__u16 tci)
{
	return tci & 0xfff;
}

// A tag that goes on carries the priority of what is behind it.
static __always_inline __u32 tag_of(__u16 tpid, __u16 id, const struct tags *behind)
{
	return (__u32)bpf_ntohs(tpid) << 16 | (behind->n ? behind->tci[0] & 0xe000 : 0) | id;
}

// outer_tpid is that of the outer tags of a circuit.
static __always_inline __u16 outer_tpid(const struct service *sv)
{
	return sv->flags & SERVICE_NNI ? P_QINQ : P_VLAN;
}

// A change of tags: cut octets go from behind the addresses, n tags come.
struct retag {
	__u32 cut, n;
	__u32 tag[2];
};

// write_tags moves the frame at offset at to the front and changes its tags.
static __always_inline int write_tags(struct xdp_md *ctx, __u64 at, const struct retag *r)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	word *addresses, mac[3];
	int delta = (int)at + (int)r->cut - 4 * (int)r->n;
	__be32 *tag;

	bound(at);
	addresses = data + at;
	if ((void *)(addresses + 3) > end)
		return -1;
	mac[0] = addresses[0];
	mac[1] = addresses[1];
	mac[2] = addresses[2];
	if (delta && bpf_xdp_adjust_head(ctx, delta))
		return -1;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + sizeof(mac) + 2 > end)
		return -1;
	addresses = data;
	addresses[0] = mac[0];
	addresses[1] = mac[1];
	addresses[2] = mac[2];
	tag = data + sizeof(mac);
	if (r->n > 0) {
		if ((void *)(tag + 1) > end)
			return -1;
		*tag++ = bpf_htonl(r->tag[0]);
	}
	if (r->n > 1) {
		if ((void *)(tag + 1) > end)
			return -1;
		*tag = bpf_htonl(r->tag[1]);
	}
	return 0;
}
