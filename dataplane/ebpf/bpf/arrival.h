// What arrives with the label of a pseudowire: its channel, switching points, and
// the way to the client. stack.h is above.
#pragma once

#include "client.h"

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
