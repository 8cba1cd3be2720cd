// The clients: attachment circuits, policing, pseudowires both ways. send.h is
// below, stack.h and the programs are above.
#pragma once

#include "packet.h"
#include "police.h"
#include "send.h"

// A frame on an interface of circuits that none of them matches.
#define NO_CIRCUIT -1

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

static __always_inline int drop_service(struct service_count *sc, __u32 ev)
{
	count_event(ev);
	sc->in_drops++;
	return XDP_DROP;
}

// drop_pw counts a drop on the way out at a pseudowire.
static __always_inline int drop_pw(struct counters *c, __u32 ev)
{
	count_event(ev);
	c->out_drops++;
	return XDP_DROP;
}

// drop_client counts a drop on the way to a client.
static __always_inline int drop_client(struct counters *c, struct service_count *sc, __u32 ev)
{
	count_event(ev);
	c->in_drops++;
	sc->out_drops++;
	return XDP_DROP;
}

static __always_inline struct pw *find_pw(__u32 id)
{
	struct pw_ref *ref = bpf_map_lookup_elem(&pw_refs, &id);
	__u32 entry;

	if (!ref)
		return NULL;
	entry = ref->entry;
	if (!entry)
		return NULL;
	return bpf_map_lookup_elem(&pws, &entry);
}

// next_sequence numbers a frame: 1 to 65535, then 1 again (RFC 4385 section
// 4.1).
static __always_inline __u16 next_sequence(__u32 id)
{
	struct pw_state *st = bpf_map_lookup_elem(&pw_states, &id);
	__u16 n;

	if (!st)
		return 0;
	bpf_spin_lock(&st->lock);
	n = st->sent + 1;
	if (!n)
		n = 1;
	st->sent = n;
	bpf_spin_unlock(&st->lock);
	return n;
}

// not_behind compares sequence numbers as RFC 4385 section 4.2 does.
static __always_inline int not_behind(__u16 n, __u16 expect)
{
	return n >= expect ? n - expect < 0x8000 : expect - n >= 0x8000;
}

// in_order tells whether a frame comes in order: RFC 4385 section 4.2. The
// number 0 says that the sender does not count. A peer that has begun anew would
// be refused for up to 32,767 frames; so the last of RESYNC frames that are out
// of order, but not among themselves, is taken, and the ones behind it.
static __always_inline int in_order(__u32 id, __u16 n)
{
	struct pw_state *st = bpf_map_lookup_elem(&pw_states, &id);
	int ok, anew = 0;
	__u16 follow;

	if (!st || !n)
		return 1;
	follow = n + 1;
	if (!follow)
		follow = 1;
	bpf_spin_lock(&st->lock);
	ok = not_behind(n, st->expect ? st->expect : 1);
	if (!ok) {
		st->late = st->late && not_behind(n, st->follow) ? st->late + 1 : 1;
		st->follow = follow;
		anew = st->late >= RESYNC;
	}
	if (ok | anew) {
		st->late = 0;
		st->expect = follow;
	}
	bpf_spin_unlock(&st->lock);
	if (anew)
		count_event(EV_RESYNC);
	return ok | anew;
}

// set_next_hop fills in where a pseudowire sends, its labels, and the TTL of the
// lowest one.
static __always_inline void set_next_hop(struct out *o, const struct pw *pw, struct counters *c, __u32 ttl)
{
	o->c = c;
	o->counter = pw->counter;
	o->lse = pw->lse;
	o->n = pw->n;
	o->tc_set = pw->tc_set;
	o->ttl = ttl;
	o->next = pw->out;
	o->class = CLASS_BY_TC;
}

// encapsulate sends a client's frame, or a packet without its Ethernet header,
// of len octets, on a pseudowire, without the strip octets at its front. null is
// the encapsulation label of the packet, below 0 for none, and s tells whether
// it is no MPLS packet.
static __always_inline int encapsulate(struct pw *pw, struct counters *c, __u32 len, __u32 strip,
				       __u32 tc, __u32 s, int null)
{
	struct out o = { .len = len, .strip = strip, .tc = tc, .s = s };

	set_next_hop(&o, pw, c, pw->ttl);
	o.overhead = 4 * pw->n;
	if (pw->flags & PW_CONTROL_WORD) {
		o.tail_n = 1;
		// RFC 4448 section 4.6: nothing but the sequence number is used.
		if (pw->flags & PW_SEQUENCE)
			o.tail[0] = bpf_htonl(next_sequence(pw->id));
	} else if (null >= 0) {
		o.tail_n = 1;
		o.tail[0] = bpf_htonl((__u32)null << 12 | tc << 9 | 1 << 8 | 255);
		o.s = 0;
	}
	o.overhead += 4 * o.tail_n;
	return prepare(&o);
}

// switch_pw sends what is below the label of a pseudowire on another one, as a
// switching point does (RFC 6073) and a loopback: control word and all. open
// frames pass where users are blocked.
static __always_inline int switch_pw(struct packet *p, struct counters *c, __u32 to, __u32 off,
				     __u32 lse, int loop, int open)
{
	struct out o = { .len = p->len, .strip = off, .tc = lse >> 9 & 7, .s = lse >> 8 & 1 };
	struct pw *pw = find_pw(to);
	struct counters *oc;
	__u32 counter;

	if (!pw) // Whoever is looped into nothing is locked.
		return drop_in(p, c, loop ? EV_BLOCKED : EV_PW_DOWN);
	counter = pw->counter;
	oc = counters_of(counter);
	if (!oc)
		return drop_in(p, c, EV_INTERNAL);
	if (pw->flags & PW_DOWN || !(pw->flags & PW_SENDS))
		return drop_pw(oc, EV_PW_DOWN);
	if (pw->flags & PW_BLOCKED && !open)
		return drop_pw(oc, EV_BLOCKED);
	set_next_hop(&o, pw, oc, (lse & 255) - 1);
	o.overhead = 4 * pw->n;
	if (pw->flags & PW_CONTROL_WORD && p->len - off >= 4)
		o.overhead += 4;
	return prepare(&o);
}

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

// matches tells whether a frame to the client has the tags of its circuit.
static __always_inline int matches(const struct service *sv, const struct tags *t)
{
	if (!sv->outer)
		return 1;
	if (!t->n || t->tpid[0] != outer_tpid(sv) || vid(t->tci[0]) != sv->outer)
		return 0;
	return !sv->inner || (t->n == 2 && t->tpid[1] == P_VLAN && vid(t->tci[1]) == sv->inner);
}

// circuit_tags are the tags of a circuit, to put in front of a frame.
static __always_inline void circuit_tags(const struct service *sv, const struct tags *behind, struct retag *r)
{
	if (!sv->outer)
		return;
	r->n = 1;
	r->tag[0] = tag_of(outer_tpid(sv), sv->outer, behind);
	if (sv->inner) {
		r->n = 2;
		r->tag[1] = tag_of(P_VLAN, sv->inner, behind);
	}
}

// retag_out undoes retag_in: 0, or the reason of a drop.
static __always_inline int retag_out(struct xdp_md *ctx, const struct service *sv, const struct pw *pw, __u64 at,
				     struct tags *t, struct retag *r)
{
	if (pw->type == PW_TAGGED) {
		if (!t->n)
			return EV_VLAN;
		if (t->tpid[0] == P_VLAN && !t->tci[0]) {
			r->cut = 4;
			if (read_tags(ctx, at, r->cut, t))
				return EV_RUNT;
		}
	}
	if (sv->op == VLAN_POP) {
		circuit_tags(sv, t, r);
		return 0;
	}
	if (sv->op == VLAN_PUSH) {
		if (!t->n || t->tpid[0] != outer_tpid(sv) || vid(t->tci[0]) != sv->vlan)
			return EV_VLAN;
		r->cut += 4;
		if (read_tags(ctx, at, r->cut, t))
			return EV_RUNT;
	} else if (sv->op == VLAN_TRANSLATE) {
		if (!t->n || t->tpid[0] != outer_tpid(sv) || vid(t->tci[0]) != sv->vlan)
			return EV_VLAN;
		t->tci[0] = (t->tci[0] & 0xf000) | sv->outer;
		r->cut += 4;
		r->n = 1;
		r->tag[0] = (__u32)bpf_ntohs(t->tpid[0]) << 16 | t->tci[0];
	}
	return matches(sv, t) ? 0 : EV_VLAN;
}

// to_client hands the frame at offset at to the client of a service.
static __always_inline int to_client(struct xdp_md *ctx, struct packet *p, struct pw *pw, struct counters *c,
				     struct service *sv, struct service_count *sc, __u32 at, __u32 tc)
{
	struct retag r = {};
	struct tags t = {};
	__u32 ev, payload;

	if (read_tags(ctx, at, 0, &t))
		return drop_client(c, sc, EV_RUNT);
	payload = p->len - at - header_of(&t);
	ev = retag_out(ctx, sv, pw, at, &t, &r);
	if (ev)
		return drop_client(c, sc, ev);
	p->len = p->len - at - r.cut + 4 * r.n;
	// The kernel takes one tag more than the MTU of the interface.
	if (payload > pw->mtu || p->len > sv->mtu + ETH_HLEN + (r.n || t.n ? 4 : 0))
		return drop_client(c, sc, EV_PAYLOAD_LONG);
	if (write_tags(ctx, at, &r))
		return drop_client(c, sc, EV_INTERNAL);
	sc->out_packets++;
	sc->out_octets += p->len;
	return depart(ctx, sv->ifindex, tc);
}

// packet_to_client hands a packet of a network-layer client to it, under a new
// Ethernet header. s is the S bit of the service label.
static __always_inline int packet_to_client(struct xdp_md *ctx, struct packet *p, struct pw *pw, struct counters *c,
					    struct service *sv, struct service_count *sc, __u64 at, __u32 s, __u32 tc)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 payload, head, want = 0;
	struct tags none = {};
	struct retag r = {};
	__u16 proto = P_MPLS;
	__be16 *type;
	__be32 *lse;

	if (!s) {
		__u32 v;

		bound(at);
		lse = data + at;
		if ((void *)(lse + 2) > end) // a label, and something below it
			return drop_client(c, sc, EV_MALFORMED);
		v = bpf_ntohl(*lse);
		if (v >> 8 & 1 && (v >> 12 == LABEL_IPV4_NULL || v >> 12 == LABEL_IPV6_NULL)) {
			want = v >> 12 == LABEL_IPV4_NULL ? P_IP : P_IPV6;
			at += 4;
			s = 1;
		}
	}
	if (s) {
		proto = ip_protocol(ctx, at);
		if (!proto || (want && proto != want))
			return drop_client(c, sc, EV_PAYLOAD);
	}
	payload = p->len - at;
	circuit_tags(sv, &none, &r);
	if (payload > pw->mtu || payload + (r.n > 1 ? 4 : 0) > sv->mtu)
		return drop_client(c, sc, EV_PAYLOAD_LONG);
	head = ETH_HLEN + 4 * r.n;
	if (bpf_xdp_adjust_head(ctx, (int)at - (int)head))
		return drop_client(c, sc, EV_INTERNAL);
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + ETH_HLEN + 8 > end)
		return drop_client(c, sc, EV_INTERNAL);
	__builtin_memcpy(data, sv->peer, ETH_ALEN);
	__builtin_memcpy(data + ETH_ALEN, sv->own, ETH_ALEN);
	type = data + 2 * ETH_ALEN;
	if (r.n > 0) {
		*(__be32 *)type = bpf_htonl(r.tag[0]);
		type += 2;
	}
	if (r.n > 1) {
		*(__be32 *)type = bpf_htonl(r.tag[1]);
		type += 2;
	}
	*type = proto;
	sc->out_packets++;
	sc->out_octets += payload + head;
	return depart(ctx, sv->ifindex, tc);
}

// not_selected tells whether a frame came on the leg of a group with a permanent
// bridge (1+1) whose other one is in use.
static __always_inline int not_selected(const struct service *sv, __u32 id)
{
	__u32 slot = REF_SLOT(sv->send);
	struct group *g;
	__u64 state;

	if (REF_KIND(sv->send) != REF_GROUP)
		return 0;
	g = bpf_map_lookup_elem(&groups, &slot);
	if (!g)
		return 0;
	state = *(volatile __u64 *)&g->state;
	return state & GROUP_PERMANENT && id == (GROUP_ACTIVE(state) ? GROUP_LEG(state, 0) : GROUP_LEG(state, 1));
}

// What is known of a frame with the label of a pseudowire. No pointers, so that
// the verifier looks at the way of a pseudowire once, and not once for each way
// that leads to it.
struct arrival {
	__u32 id;  // of the pseudowire
	__u32 off; // behind its label
	__u32 lse; // its label stack entry
	__u32 section, section_counter;
	// Set where the frame is to be punted: the pseudowire's counter, the offset
	// of the ACH.
	__u32 counter, ach;
};

// GO_PUNT and below are returned instead of a verdict where a frame is to be
// punted for the reason that the difference tells.
#define GO_PUNT -3

// pseudowire ends, or switches, what came with the label of a pseudowire.
__noinline int pseudowire(struct xdp_md *ctx, struct arrival *a)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 id, entry, to, counter, cw, below = 0, lse, s, tc, room;
	struct service_count *sc;
	struct packet pk = {}, *p = &pk;
	struct service *sv;
	struct counters *c;
	struct pw_ref *ref;
	struct pw *pw;
	__u64 off;
	__be32 *w;

	if (!a)
		return XDP_DROP;
	off = a->off;
	lse = a->lse;
	s = lse >> 8 & 1;
	tc = lse >> 9 & 7;
	p->len = end - data;
	p->section = a->section;
	p->secc = counters_of(a->section_counter);
	id = a->id;
	ref = bpf_map_lookup_elem(&pw_refs, &id);
	if (!ref)
		return drop_in(p, NULL, EV_NO_LABEL);
	entry = ref->entry;
	to = ref->to;
	pw = bpf_map_lookup_elem(&pws, &entry);
	if (!pw || !entry)
		return drop_in(p, NULL, EV_NO_LABEL);
	counter = pw->counter;
	c = counters_of(counter);
	if (!c)
		return drop_in(p, NULL, EV_INTERNAL);
	a->counter = counter;
	bound(off);
	w = data + off;
	room = (void *)(w + 1) <= end;
	if (room)
		below = bpf_ntohl(*w);
	cw = pw->flags & PW_CONTROL_WORD;
	// The channel below the GAL is found by its label, that below a control
	// word by its nibble (RFC 5586, 4385 section 5).
	if (room && !s && below >> 12 == LABEL_GAL && below >> 8 & 1 && (void *)(w + 2) <= end)
		a->ach = off + 4;
	else if (room && s && cw && below >> 28 == 1)
		a->ach = off;
	// What is switched or looped takes its channel along (RFC 6073, RFC 6435).
	if (a->ach && REF_KIND(to) != REF_PW && !pw->loop)
		return a->ach == off ? GO_PUNT - PUNT_PW_ACH : GO_PUNT - PUNT_GAL;
	if ((lse & 255) <= 1) {
		c->in_drops++;
		return GO_PUNT - PUNT_TTL;
	}
	if (pw->flags & PW_DOWN)
		return drop_in(p, c, EV_PW_DOWN);
	if (pw->flags & PW_BLOCKED && !pw->loop && !(REF_KIND(to) == REF_PW && a->ach))
		return drop_in(p, c, EV_BLOCKED);
	if (REF_KIND(to) == REF_PW || pw->loop) {
		c->in_packets++;
		c->in_octets += p->len - off - (cw && room ? 4 : 0);
		if (pw->loop)
			return switch_pw(p, c, pw->loop, off, lse, 1, 1);
		return switch_pw(p, c, REF_SLOT(to), off, lse, 0, a->ach != 0);
	}
	if (pw->type != PW_NETWORK && !s)
		return drop_in(p, c, EV_MALFORMED);
	if (cw) {
		if (!room || below >> 28)
			return drop_in(p, c, EV_CONTROL_WORD);
		off += 4;
	}
	c->in_packets++;
	c->in_octets += p->len - off;
	if (pw->flags & PW_SEQUENCE && !in_order(pw->id, below))
		return drop_in(p, c, EV_SEQUENCE);
	sv = bpf_map_lookup_elem(&services, &to);
	if (!to || !sv)
		return drop_in(p, c, EV_NO_ATTACHMENT);
	counter = sv->id;
	sc = bpf_map_lookup_elem(&service_counters, &counter);
	if (!sc || !sv->ifindex)
		return drop_in(p, c, EV_INTERNAL);
	if (sv->flags & SERVICE_DOWN)
		return drop_client(c, sc, EV_SERVICE_DOWN);
	if (not_selected(sv, pw->id))
		return drop_client(c, sc, EV_NOT_SELECTED);
	if (pw->type == PW_NETWORK)
		return packet_to_client(ctx, p, pw, c, sv, sc, off, s, tc);
	return to_client(ctx, p, pw, c, sv, sc, off, tc);
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
