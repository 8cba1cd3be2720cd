// From the client: attachment circuits, policing, classes, the way to a
// pseudowire.
#pragma once

#include "packet.h"
#include "police.h"
#include "pseudowire.h"
#include "tags.h"

// A frame on an interface of circuits that none of them matches.
#define NO_CIRCUIT -1

// priority_of is what a class map goes by: the priority of the outer tag, the
// upper bits of the DS field, or the traffic class of an MPLS packet.
static __always_inline __u32 priority_of(struct xdp_md *ctx, const struct service *sv, const struct tags *t)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 off = header_of(t);
	__u8 *b;

	if (!(sv->flags & SERVICE_NETWORK))
		return t->n ? t->tci[0] >> 13 : 0;
	bound(off);
	b = data + off;
	if ((void *)(b + 4) > end)
		return 0;
	if (t->type == P_IP)
		return b[1] >> 5;
	if (t->type == P_IPV6)
		return b[0] >> 1 & 7;
	return b[2] >> 1 & 7;
}

// class_of looks the class up. The mask is in assembly: the compiler knows that
// the colour is one of two, the verifier of 6.1 does not.
static __always_inline __u32 class_of(const struct service *sv, __u32 colour, __u32 priority)
{
	__u64 i = colour << 3 | priority;

	asm volatile("%0 &= 15" : "+r"(i));
	return ((const __u8 *)sv->classes)[i] & 7;
}

// retag_in tells how the tags of a frame of the client change. The tags are
// then those that the pseudowire carries, as far as they are known.
static __always_inline void retag_in(const struct service *sv, struct pw *pw, const struct tags *t, struct retag *r)
{
	__u32 left = t->n; // tags behind those that go

	if (sv->op == VLAN_POP) {
		r->cut = sv->inner ? 8 : 4;
		left -= sv->inner ? 2 : 1;
	} else if (sv->op == VLAN_PUSH) {
		r->n = 1;
		r->tag[0] = tag_of(outer_tpid(sv), sv->vlan, t);
	} else if (sv->op == VLAN_TRANSLATE) {
		r->cut = 4;
		r->n = 1;
		r->tag[0] = (__u32)bpf_ntohs(t->tpid[0]) << 16 | (t->tci[0] & 0xf000) | sv->vlan;
		left--;
	}
	if (pw->type == PW_TAGGED && !r->n && !left && !is_tag(t->type)) {
		r->n = 1;
		r->tag[0] = (__u32)ETH_P_8021Q << 16;
	}
}

// to_pw sends the client's frame that begins at offset at, len octets of it, on
// a pseudowire.
static __always_inline int to_pw(struct xdp_md *ctx, const struct service *sv, struct service_count *sc, __u32 id,
				 struct tags *t, __u32 at, __u32 len, __u32 tc)
{
	__u32 s = 1, strip = at, counter, payload;
	struct pw *pw = find_pw(id);
	struct retag r = {};
	struct counters *c;
	int null = -1;

	if (!pw)
		return drop_service(sc, EV_PW_DOWN);
	counter = pw->counter;
	c = counters_of(counter);
	if (!c)
		return drop_service(sc, EV_INTERNAL);
	if (pw->flags & PW_DOWN || !(pw->flags & PW_SENDS))
		return drop_pw(c, EV_PW_DOWN);
	if (pw->flags & PW_BLOCKED)
		return drop_pw(c, EV_BLOCKED);
	if (sv->flags & SERVICE_NETWORK) {
		strip += header_of(t);
		if (t->type == P_MPLS)
			s = 0;
		else if (ip_protocol(ctx, strip) != t->type)
			return drop_pw(c, EV_PAYLOAD);
		else if (pw->flags & PW_NULL)
			null = t->type == P_IP ? LABEL_IPV4_NULL : LABEL_IPV6_NULL;
		payload = len - header_of(t);
	} else {
		retag_in(sv, pw, t, &r);
		if (r.cut | r.n) {
			if (write_tags(ctx, at, &r))
				return drop_pw(c, EV_INTERNAL);
			len += 4 * r.n - r.cut;
			strip = 0;
			if (read_tags(ctx, 0, 0, t))
				return drop_pw(c, EV_RUNT);
		}
		payload = len - header_of(t);
		len += strip;
	}
	if (payload > pw->mtu)
		return drop_pw(c, EV_PAYLOAD_LONG);
	return encapsulate(pw, c, len, strip, tc, s, null);
}

// copies_to_pws hands the frame of a client to the legs of a permanent bridge,
// each of which gets it from pw_copy, below a label that tells the rest.
static __always_inline int copies_to_pws(struct xdp_md *ctx, struct counters *c, __u32 copies, __u32 service, __u32 tc)
{
	struct ethhdr *eth;
	__be32 *lse;

	if (bpf_xdp_adjust_head(ctx, -(ETH_HLEN + 4)))
		return drop_out(c, NULL, EV_INTERNAL);
	eth = (void *)(long)ctx->data;
	lse = (void *)(eth + 1);
	if ((void *)(lse + 1) > (void *)(long)ctx->data_end)
		return drop_out(c, NULL, EV_INTERNAL);
	__builtin_memset(eth, 0, 2 * ETH_ALEN);
	eth->h_proto = P_MPLS;
	*lse = bpf_htonl(service << 12 | tc << 9 | 1 << 8 | 255);
	return hand_over_copies(ctx, c, copies, 0);
}

// pw_copy sends one of the copies on its pseudowire.
__noinline int pw_copy(struct xdp_md *ctx, __u32 id)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 at = ETH_HLEN + 4, len = end - data, slot, counter;
	struct service_count *sc;
	struct service *sv;
	struct tags t = {};
	__be32 *lse = data + ETH_HLEN;

	if ((void *)(lse + 1) > end)
		return XDP_DROP;
	slot = bpf_ntohl(*lse) >> 12;
	sv = bpf_map_lookup_elem(&services, &slot);
	if (!sv || !sv->ifindex)
		return XDP_DROP;
	counter = sv->id;
	sc = bpf_map_lookup_elem(&service_counters, &counter);
	if (!sc)
		return XDP_DROP;
	if (read_tags(ctx, at, 0, &t))
		return drop_service(sc, EV_RUNT);
	return to_pw(ctx, sv, sc, id, &t, at, len - at, bpf_ntohl(*lse) >> 9 & 7);
}

// enter_pws sends a frame of a client to the active leg of a group of
// pseudowires, or to all of them.
static __always_inline int enter_pws(struct xdp_md *ctx, const struct service *sv, struct service_count *sc,
				       __u32 slot, struct tags *t, __u32 len, __u32 tc, __u32 service)
{
	struct group *g = bpf_map_lookup_elem(&groups, &slot);
	struct counters *c;
	__u32 counter, leg;
	__u64 state;

	if (!g)
		return drop_service(sc, EV_PW_DOWN);
	counter = g->counter;
	c = counters_of(counter);
	if (!c)
		return drop_service(sc, EV_INTERNAL);
	state = *(volatile __u64 *)&g->state;
	c->in_packets++;
	c->in_octets += len;
	if (state & GROUP_DOWN) {
		c->in_drops++;
		return drop_service(sc, EV_GROUP_DOWN);
	}
	leg = GROUP_ACTIVE(state) ? GROUP_LEG(state, 1) : GROUP_LEG(state, 0);
	if (!leg || !(state & GROUP_PWS) || (state & GROUP_PERMANENT && !g->copies)) {
		c->in_drops++;
		return drop_service(sc, EV_GROUP_EMPTY);
	}
	if (state & GROUP_PERMANENT)
		return copies_to_pws(ctx, c, g->copies, service, tc);
	return to_pw(ctx, sv, sc, leg, t, 0, len, tc);
}

// from_client sends a frame of a service's client on its pseudowire.
static __always_inline int from_client(struct xdp_md *ctx, struct service *sv, __u32 slot, struct tags *t, int cut_short,
				       __u32 len)
{
	__u32 id = sv->id, colour = GREEN, tc = 0, send;
	struct service_count *sc = bpf_map_lookup_elem(&service_counters, &id);

	if (!sc)
		return XDP_DROP;
	sc->in_packets++;
	sc->in_octets += len;
	if (sv->flags & SERVICE_DOWN)
		return drop_service(sc, EV_SERVICE_DOWN);
	if (cut_short)
		return drop_service(sc, EV_RUNT);
	if (sv->flags & SERVICE_POLICED) {
		struct policer *p = bpf_map_lookup_elem(&policers, &id);

		if (!p)
			return drop_service(sc, EV_INTERNAL);
		colour = police(p, sv, len, bpf_ktime_get_ns());
		if (colour > RED)
			return drop_service(sc, EV_INTERNAL);
		sc->colour_packets[colour]++;
		sc->colour_octets[colour] += len;
		if (colour == RED)
			return drop_service(sc, EV_POLICED);
	}
	if (sv->flags & SERVICE_CLASSES)
		tc = class_of(sv, colour, priority_of(ctx, sv, t));
	send = sv->send;
	if (REF_KIND(send) == REF_GROUP)
		return enter_pws(ctx, sv, sc, REF_SLOT(send), t, len, tc, slot);
	return to_pw(ctx, sv, sc, REF_SLOT(send), t, 0, len, tc);
}

// find_service finds the entry of the service of a frame, 0 if there is none: the
// closest match counts. A tag with VLAN 0 only has a priority and does not
// separate clients.
static __always_inline __u32 find_service(__u32 ifindex, const struct tags *t)
{
	struct circuit_key k = { .ifindex = ifindex };
	__u32 *id = NULL, tagged = 1;
	struct circuits *on = NULL;

	if (ifindex < DIRECT_PORTS) {
		on = bpf_map_lookup_elem(&direct_circuits, &ifindex);
		if (!on)
			return 0;
		tagged = on->tagged;
	}
	if (tagged && t->n && vid(t->tci[0])) {
		k.tpid = t->tpid[0];
		k.outer = vid(t->tci[0]);
		if (t->n > 1 && t->tpid[1] == P_VLAN && vid(t->tci[1])) {
			k.inner = vid(t->tci[1]);
			id = bpf_map_lookup_elem(&tagged_circuits, &k);
		}
		if (!id) {
			k.inner = 0;
			id = bpf_map_lookup_elem(&tagged_circuits, &k);
		}
	}
	if (!id && on) {
		id = &on->service;
	} else if (!id) {
		k.tpid = 0;
		k.outer = 0;
		k.inner = 0;
		id = bpf_map_lookup_elem(&tagged_circuits, &k);
	}
	return id ? *id : 0;
}

// for_network tells whether a service with a network-layer client takes a frame:
// a packet to this node, with the tags of the circuit and no others, for which
// the packet would have no place. VLAN 0 is none. All else is the host's: address
// resolution, another VLAN.
static __always_inline int for_network(const struct service *sv, const void *dst, const struct tags *t)
{
	__u32 n = sv->inner ? 2 : sv->outer ? 1 : t->n && !vid(t->tci[0]);

	return t->n == n && same_mac(dst, sv->own) && (t->type == P_IP || t->type == P_IPV6 || t->type == P_MPLS);
}

// attachment is the receive side of an interface of circuits: ifindex is where
// the frame came in. What no circuit matches is the host's: NO_CIRCUIT.
__noinline int attachment(struct xdp_md *ctx, __u32 ifindex)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 len = end - data, slot;
	struct service *sv;
	struct tags t = {};
	int cut_short;

	if (data + ETH_HLEN > end)
		return NO_CIRCUIT;
	cut_short = read_tags(ctx, 0, 0, &t);
	slot = find_service(ifindex, &t);
	if (!slot)
		return NO_CIRCUIT;
	sv = bpf_map_lookup_elem(&services, &slot);
	if (!sv || !sv->ifindex)
		return NO_CIRCUIT;
	if (sv->flags & SERVICE_NETWORK && (cut_short || !for_network(sv, data, &t)))
		return NO_CIRCUIT;
	return from_client(ctx, sv, slot, &t, cut_short, len);
}

// of_client tells whether a circuit takes a frame. The kernel has taken the outer
// tag out of the frame, and left the one behind it there.
static __always_inline int of_client(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct service *sv;
	struct tags t = {};
	__be16 *w = data + 2 * ETH_ALEN;
	__u32 slot;

	// Behind the addresses a packet has something, if only padding.
	if ((void *)(w + 3) > end)
		return 0;
	t.type = w[0];
	if (skb->vlan_present) {
		t.n = 1;
		t.tpid[0] = skb->vlan_proto;
		t.tci[0] = skb->vlan_tci;
		if (is_tag(w[0])) {
			t.n = 2;
			t.tpid[1] = w[0];
			t.tci[1] = bpf_ntohs(w[1]);
			t.type = w[2];
		}
	} else if (is_tag(w[0])) {
		t.n = 1;
		t.tpid[0] = w[0];
		t.tci[0] = bpf_ntohs(w[1]);
		t.type = w[2];
	}
	slot = find_service(skb->ingress_ifindex, &t);
	if (!slot)
		return 0;
	sv = bpf_map_lookup_elem(&services, &slot);
	if (!sv || !sv->ifindex)
		return 0;
	return !(sv->flags & SERVICE_NETWORK) || for_network(sv, data, &t);
}
