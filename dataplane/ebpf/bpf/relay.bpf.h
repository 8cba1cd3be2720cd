// The impose device. Its far end gets what the host's IP stack sends into an
// LSP and, under an 802.1ad tag, what the tc program relays: copies, and frames
// of interfaces that have no XDP of ours.
//
// XDP can neither copy a frame nor reach a queueing discipline. So the program
// of the interface hands the frame to the tc program behind it, which sends
// copies, a tag with the number of a relay on each, to the impose device. There
// every copy is a frame of its own, to which all of the forwarding can be done.
#pragma once

#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "packet.h"
#include "send.h"
#include "stack.h"

#define TAGGED (ETH_HLEN + 4)

// enter_group sends a packet that has no label of ours yet into a group.
static __always_inline int enter_group(struct xdp_md *ctx, struct packet *p, __u32 group, __u32 strip,
				       __u32 tc, __u32 s)
{
	__u32 none = 0;
	struct out o = {
		.c = counters_of(none), // nobody's
		.next = REF_GROUP | REF_SLOT(group), .tc = tc, .s = s, .len = p->len, .strip = strip,
		.class = CLASS_BY_TC,
	};
	struct lsp *empty = bpf_map_lookup_elem(&lsps, &none);

	if (!o.c || !empty)
		return drop_in(p, NULL, EV_INTERNAL);
	o.lse = empty->lse;
	return through_groups(ctx, &o);
}

// entropy_label is made of what tells one flow from another (RFC 6790 section
// 4.2): addresses, protocol and ports. It is never a special-purpose label.
static __always_inline __u32 entropy_label(struct xdp_md *ctx, __u32 proto, __u32 off)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 *w = data + off, hash = 0, next, ports = 0, i;

	if (proto == P_IP) {
		if ((void *)(w + 6) > end)
			return LABEL_MIN;
		next = bpf_ntohl(w[2]) >> 16 & 255;
		hash = w[3] * 0x9e3779b1u ^ w[4] * 0x85ebca6bu;
		// The first fragment has ports, the others would go another way.
		if ((bpf_ntohl(w[0]) >> 24 & 15) == 5 && !(bpf_ntohl(w[1]) & 0x3fff))
			ports = w[5];
	} else {
		if ((void *)(w + 11) > end)
			return LABEL_MIN;
		next = bpf_ntohl(w[1]) >> 8 & 255;
#pragma unroll
		for (i = 2; i < 10; i++)
			hash = (hash ^ w[i]) * 0x9e3779b1u;
		hash ^= (bpf_ntohl(w[0]) & 0xfffff) * 0xc2b2ae35u; // flow label, RFC 6438
		ports = w[10];
	}
	if (next == 6 || next == 17 || next == 132)
		hash ^= ports * 0xc2b2ae35u;
	hash ^= next;
	hash = (hash ^ hash >> 15) * 0x2c1b3c6du;
	hash ^= hash >> 13;
	hash &= (1 << 20) - 1;
	return hash < LABEL_MIN ? hash + LABEL_MIN : hash;
}

// impose sends an IP packet, or what is labelled already, into an LSP that
// begins here. proto and strip tell what it is and where, carried is what came
// with a copy.
static __always_inline int impose(struct xdp_md *ctx, struct packet *p, struct lsp *l, __u32 proto, __u32 strip,
				  __u32 carried)
{
	__u32 id = l->counter, tc = 0, s = 1;
	struct out o;
	struct counters *c = counters_of(id);
	__u64 off = strip;

	if (!c)
		return drop_in(p, NULL, EV_INTERNAL);
	if (!(l->flags & LSP_BRANCH)) {
		c->in_packets++;
		c->in_octets += p->len - strip;
		if (l->flags & LSP_DOWN)
			return drop_in(p, c, EV_LSP_DOWN);
		if (l->flags & LSP_BLOCKED)
			return drop_in(p, c, EV_BLOCKED);
	}
	if (proto == P_MPLS) {
		bound(off);
		if ((void *)(long)ctx->data + off + 4 > (void *)(long)ctx->data_end)
			return drop_in(p, c, EV_MALFORMED);
		tc = *((__u8 *)(long)ctx->data + off + 2) >> 1 & 7;
		s = 0;
	}
	if (carried)
		tc = CARRIED_TC(carried);
	if (l->copies) {
		struct ethhdr *eth;

		if (strip != ETH_HLEN && bpf_xdp_adjust_head(ctx, (int)strip - ETH_HLEN))
			return drop_out(c, NULL, EV_INTERNAL);
		eth = (void *)(long)ctx->data;
		if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
			return drop_out(c, NULL, EV_INTERNAL);
		eth->h_proto = proto;
		return hand_over_copies(ctx, c, l->copies, 0);
	}
	if (l->flags & LSP_ENTROPY && s) {
		__u32 low = l->n ? l->lse[(l->n - 1) & 7] : 0;
		struct out o = {
			.c = c, .counter = l->counter, .lse = l->lse, .next = l->out, .n = l->n, .tc_set = l->tc_set,
			.len = p->len, .strip = strip, .class = l->flags & LSP_CLASS ? l->class : CLASS_BY_TC,
			.tail_n = 2,
		};

		// RFC 6790 section 4.2: the indicator has TTL and TC of the label
		// above it, the entropy label a TTL of 0, so that nobody forwards by it.
		o.tail[0] = bpf_htonl(LABEL_ELI << 12 | (low & 0xeff));
		o.tail[1] = bpf_htonl(entropy_label(ctx, proto, strip) << 12 | 1 << 8);
		return through_groups(ctx, &o);
	}
	o = way_of(ctx, l, c, p->len, strip, 0, tc, s);
	if (carried && !(l->flags & LSP_CLASS))
		o.class = CARRIED_CLASS(carried);
	return through_groups(ctx, &o);
}

// impose_ip is a packet that the host's IP stack has routed into an LSP or a
// group.
static __always_inline int impose_ip(struct xdp_md *ctx, struct packet *p, __u16 proto)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 *found = NULL, ref;
	struct lsp *l;

	if (proto == P_IP) {
		struct prefix4_key k = { .length = 32 };

		if (data + ETH_HLEN + 20 > end)
			return XDP_DROP;
		__builtin_memcpy(k.address, data + ETH_HLEN + 16, 4);
		found = bpf_map_lookup_elem(&prefixes4, &k);
	} else if (proto == P_IPV6) {
		struct prefix6_key k = { .length = 128 };

		if (data + ETH_HLEN + 40 > end)
			return XDP_DROP;
		__builtin_memcpy(k.address, data + ETH_HLEN + 24, 16);
		found = bpf_map_lookup_elem(&prefixes6, &k);
	} else {
		return XDP_DROP;
	}
	if (!found)
		return drop_in(p, NULL, EV_NO_PREFIX);
	ref = *found;
	if (REF_KIND(ref) == REF_GROUP)
		return enter_group(ctx, p, ref, ETH_HLEN, 0, 1);
	l = bpf_map_lookup_elem(&lsps, &ref);
	if (!l || l->op != OP_IMPOSE)
		return drop_in(p, NULL, EV_INTERNAL);
	return impose(ctx, p, l, proto, ETH_HLEN, 0);
}

// untagged takes the tag off.
static __always_inline int untagged(struct xdp_md *ctx)
{
	__u32 *from = (void *)(long)ctx->data, mac[3];

	if ((void *)(from + 3) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(mac, from, sizeof(mac));
	if (bpf_xdp_adjust_head(ctx, 4))
		return -1;
	from = (void *)(long)ctx->data;
	if ((void *)(from + 3) > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(from, mac, sizeof(mac));
	return 0;
}

// as_received goes on as the interface would have, up to the label stack.
static __always_inline int as_received(struct xdp_md *ctx, struct packet *p, __u32 ifindex)
{
	int verdict;

	if (untagged(ctx))
		return drop_in(p, NULL, EV_RELAY);
	verdict = attachment(ctx, ifindex);
	if (verdict != NO_CIRCUIT)
		return finish(ctx, verdict);
	p->ifindex = ifindex;
	p->section = 0;
	verdict = enter_section(ctx, p, 0);
	// Not of a section.
	return verdict == XDP_PASS ? drop_in(p, NULL, EV_RELAY) : verdict;
}

// carried_by is what a copy has brought with it, 0 for nothing.
static __always_inline __u32 carried_by(const __u8 *mac)
{
	return *(__u32 *)mac || *(__u16 *)(mac + 4) ? 0 : mac[11];
}

// relayed_lsp is a frame that comes out of an LSP or a branch of one.
static __always_inline int relayed_lsp(struct xdp_md *ctx, struct packet *p, __u32 ref, __u32 proto,
					__u32 carried)
{
	struct lsp *l = bpf_map_lookup_elem(&lsps, &ref);

	if (!l)
		return drop_in(p, NULL, EV_RELAY);
	if (l->op == OP_IMPOSE)
		return impose(ctx, p, l, proto, TAGGED, carried);
	if (proto != P_MPLS)
		return drop_in(p, NULL, EV_RELAY);
	p->lsp = l;
	p->stack = TAGGED;
	p->section = l->in_section;
	p->sec = section_of(p->section);
	if (!p->sec)
		return drop_in(p, NULL, EV_INTERNAL);
	p->secc = counters_of(p->sec->counter);
	if (!p->secc)
		return drop_in(p, NULL, EV_INTERNAL);
	return GO_STACK;
}

// relayed is a frame with a tag. What goes on with its label stack is left to
// one place, for the verifier walks through that once for each.
static __always_inline int relayed(struct xdp_md *ctx, struct packet *p)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__be16 *tag = data + ETH_HLEN;
	__u32 slot, proto, ref, tc = 0;
	struct relay *r;

	if ((void *)(tag + 2) > end)
		return drop_in(p, NULL, EV_RELAY);
	slot = bpf_ntohs(tag[0]);
	proto = tag[1];
	r = bpf_map_lookup_elem(&relays, &slot);
	if (!r)
		return drop_in(p, NULL, EV_RELAY);
	ref = r->ref;
	if (r->kind == RELAY_PORT) // However short: it is counted as on arrival.
		return as_received(ctx, p, ref);
	if ((void *)(tag + 4) > end)
		return drop_in(p, NULL, EV_RELAY);
	switch (r->kind) {
	case RELAY_GROUP:
		if (proto == P_MPLS)
			tc = *((__u8 *)data + TAGGED + 2) >> 1 & 7;
		return enter_group(ctx, p, ref, TAGGED, tc, proto != P_MPLS);
	case RELAY_PW:
		return untagged(ctx) ? drop_in(p, NULL, EV_RELAY) : finish(ctx, pw_copy(ctx, ref));
	case RELAY_LSP:
		return relayed_lsp(ctx, p, ref, proto, carried_by(data));
	}
	return drop_in(p, NULL, EV_RELAY);
}

// imposed is what reaches the far end of the impose device.
static __always_inline int imposed(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct packet p = { .len = end - data, .ifindex = ctx->ingress_ifindex };
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	p.host = section_of(0);
	if (eth->h_proto == P_QINQ) {
		int verdict = relayed(ctx, &p);

		// The verifier does not know that nobody else returns GO_STACK.
		return verdict == GO_STACK && p.sec && p.secc ? stack(ctx, &p) : verdict;
	}
	return impose_ip(ctx, &p, eth->h_proto);
}

// copy_out sends one copy to each relay of a list but the last omit ones.
static __always_inline int copy_out(struct __sk_buff *skb, __u32 list, __u32 omit)
{
	struct copies *l = bpf_map_lookup_elem(&copy_lists, &list);
	struct section *host = section_of(0);
	__u32 n, i;

	if (!l || !host)
		return TC_ACT_SHOT;
	n = l->n;
	if (n <= omit || n > MAX_COPIES)
		return TC_ACT_SHOT;
	n -= omit;
	for (i = 0; i < MAX_COPIES; i++) {
		if (i >= n)
			break;
		if (i && bpf_skb_vlan_pop(skb))
			break;
		if (bpf_skb_vlan_push(skb, P_QINQ, l->relay[i]))
			break;
		if (i == n - 1)
			return bpf_redirect(host->ifindex, 0);
		if (bpf_clone_redirect(skb, host->ifindex, 0))
			count_event(EV_RELAY);
	}
	count_event(EV_RELAY);
	return TC_ACT_SHOT;
}

// of_section tells whether a frame belongs to a section: labelled, untagged or on
// a VLAN that is one. The kernel has taken the outer tag out of the frame.
static __always_inline int of_section(struct __sk_buff *skb)
{
	__u32 vlan = 0;

	if (skb->protocol != P_MPLS)
		return 0;
	if (skb->vlan_present) {
		if (skb->vlan_proto != P_VLAN)
			return 0;
		vlan = skb->vlan_tci & 0xfff;
	}
	return section_on(skb->ingress_ifindex, vlan) != 0;
}

static __always_inline int from_impose_device(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct section_slot *s = bpf_map_lookup_elem(&sections, &zero);

	return s && s->since == skb->ingress_ifindex;
}

// relay_frame is the tc program of every interface of ours: it does what the
// XDP program before it has asked for, and sends the frames of interfaces with
// a relay to the impose device.
static __always_inline int relay_frame(struct __sk_buff *skb)
{
	struct meta *m = (void *)(long)skb->data_meta;
	__u32 ifindex = skb->ingress_ifindex, ref, arg, kind, *port;
	struct section *host;

	if ((void *)(m + 1) <= (void *)(long)skb->data && m->magic == META_MAGIC) {
		kind = m->kind;
		arg = m->arg;
		ref = m->ref;
		// The words stay on the frame, across a veth too: they were for us.
		m->magic = 0;
		if (kind == META_QUEUE) {
			skb->priority = arg;
			return bpf_redirect(ref, 0);
		}
		if (kind == META_COPY)
			return copy_out(skb, ref, arg);
		return TC_ACT_UNSPEC;
	}
	port = bpf_map_lookup_elem(&relay_ports, &ifindex);
	if (!port) {
		// What the program of the impose device lets pass is the host's. A
		// veth goes by the address that the frame had before.
		if (skb->pkt_type == PACKET_OTHERHOST && from_impose_device(skb))
			bpf_skb_change_type(skb, PACKET_HOST);
		return TC_ACT_UNSPEC;
	}
	ref = *port;
	if (!(ref & RELAY_ALL && of_client(skb)) && !of_section(skb))
		return TC_ACT_UNSPEC;
	host = section_of(0);
	if (!host || bpf_skb_vlan_push(skb, P_QINQ, ref & 0xffff)) {
		count_event(EV_RELAY);
		return TC_ACT_SHOT;
	}
	return bpf_redirect(host->ifindex, 0);
}
