// The way out: groups, labels, the Ethernet header, the section.
#pragma once

#include "packet.h"

// CLASS_BY_TC puts a frame into the queue of the traffic class of its top label.
#define CLASS_BY_TC 8

// How a packet is sent. Labels are those of the sender; groups add theirs.
struct out {
	struct counters *c; // of the sender
	const __u32 *lse;   // its labels, top first, as in struct lsp
	__u32 next;         // section, REF_GROUP
	__u32 n;            // labels at lse
	__u32 tc_set;       // bit i: lse[i] has its own TC
	__u32 tc;           // of labels without
	__u32 ttl;          // put into the lowest label, which has 0 there, or 0
	__u32 s;            // 1: no label is below the lowest one
	__u32 len;          // octets of the frame
	__u32 strip;        // octets that go from its front: Ethernet header, labels popped
	__u32 tail_n;       // words of tail
	__be32 tail[2];     // between the labels and the rest: control word, or entropy label
	__u32 class;        // queue, or CLASS_BY_TC
};

// The legs that a packet takes, innermost first.
struct legs {
	struct lsp *lsp[MAX_NESTING];
	struct counters *c[MAX_NESTING];
	__u32 k;       // legs
	__u32 n;       // labels of all
	__u32 section; // behind them
	__u32 copies;  // or this list
};

// What the XDP program tells the tc program, in the metadata of the frame.
struct meta {
	__u16 magic;
	__u8 kind;
	__u8 arg; // class, or number of copies to leave out at the end
	__u32 ref; // interface, or list of copies
};

#define META_MAGIC 0x4d54
enum meta_kind {
	META_QUEUE = 1,
	META_COPY = 2,
};

// hand_over gives the frame to the tc program behind this one.
static __always_inline int hand_over(struct xdp_md *ctx, __u32 kind, __u32 arg, __u32 ref)
{
	struct meta *m;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*m)))
		return -1;
	m = (void *)(long)ctx->data_meta;
	if ((void *)(m + 1) > (void *)(long)ctx->data)
		return -1;
	m->magic = META_MAGIC;
	m->kind = kind;
	m->arg = arg;
	m->ref = ref;
	return XDP_PASS;
}

// hand_over_copies gives the frame to the tc program for the copies of a list,
// without the last omit ones.
static __always_inline int hand_over_copies(struct xdp_md *ctx, struct counters *c, __u32 list, __u32 omit)
{
	int verdict = hand_over(ctx, META_COPY, omit, list);

	return verdict < 0 ? drop_out(c, NULL, EV_RELAY) : verdict;
}

static __always_inline int drop_leg(struct out *o, struct counters *c, __u32 ev)
{
	count_event(ev);
	if (c)
		c->in_drops++;
	o->c->out_drops++;
	return XDP_DROP;
}

// walk follows the groups from o->next to a section or a list of copies and
// counts what enters them. size is the length under the labels of o. Negative:
// the packet is dropped and counted.
static __always_inline int walk(struct out *o, struct legs *legs, __u32 size)
{
	__u32 next = o->next, i;

#pragma unroll
	for (i = 0; i <= MAX_NESTING; i++) {
		struct counters *c;
		struct group *g;
		__u32 slot, id;
		struct lsp *l;
		__u64 state;

		if (REF_KIND(next) != REF_GROUP) {
			legs->section = next;
			return 0;
		}
		slot = REF_SLOT(next);
		g = bpf_map_lookup_elem(&groups, &slot);
		if (i == MAX_NESTING || !g)
			return drop_leg(o, NULL, EV_NESTING), -1;
		state = *(volatile __u64 *)&g->state;
		id = g->counter;
		c = bpf_map_lookup_elem(&lsp_counters, &id);
		if (!c)
			return drop_leg(o, NULL, EV_INTERNAL), -1;
		c->in_packets++;
		c->in_octets += size;
		if (state & GROUP_DOWN)
			return drop_leg(o, c, EV_GROUP_DOWN), -1;
		if (state & GROUP_PERMANENT) {
			c->out_packets++;
			c->out_octets += size;
			legs->copies = g->copies;
			return legs->copies ? 0 : (drop_leg(o, c, EV_GROUP_EMPTY), -1);
		}
		id = GROUP_ACTIVE(state) ? GROUP_LEG(state, 1) : GROUP_LEG(state, 0);
		if (!id || state & GROUP_PWS)
			return drop_leg(o, c, EV_GROUP_EMPTY), -1;
		l = bpf_map_lookup_elem(&lsps, &id);
		if (!l || l->op != OP_IMPOSE)
			return drop_leg(o, c, EV_GROUP_EMPTY), -1;
		c->out_packets++;
		c->out_octets += size;
		id = l->counter;
		c = bpf_map_lookup_elem(&lsp_counters, &id);
		if (!c)
			return drop_leg(o, NULL, EV_INTERNAL), -1;
		c->in_packets++;
		c->in_octets += size;
		if (l->flags & LSP_DOWN)
			return drop_leg(o, c, EV_LSP_DOWN), -1;
		if (l->flags & LSP_BLOCKED)
			return drop_leg(o, c, EV_BLOCKED), -1;
		if (l->copies) {
			legs->copies = l->copies;
			return 0;
		}
		legs->lsp[i] = l;
		legs->c[i] = c;
		legs->k = i + 1;
		legs->n += l->n;
		size += 4 * l->n;
		next = l->out;
	}
	return -1;
}

// put_labels writes n labels at *at; ttl and low go into the last one.
static __always_inline int put_labels(__be32 **at, void *end, const __u32 *lse, __u32 n, __u32 tc_set,
				      __u32 tc, __u32 low)
{
	__u32 i;

	for (i = 0; i < MAX_IMPOSE; i++) {
		__u32 v;

		if (i >= n)
			break;
		if ((void *)(*at + 1) > end)
			return -1;
		v = lse[i];
		if (!(tc_set & 1 << i))
			v |= tc << 9;
		if (i == n - 1)
			v |= low;
		*(*at)++ = bpf_htonl(v);
	}
	return 0;
}

static __always_inline __u32 top_tc(const __u32 *lse, __u32 n, __u32 tc_set, __u32 tc)
{
	return n && tc_set & 1 ? lse[0] >> 9 & 7 : tc;
}

// leave sends a finished frame to the section.
static __always_inline int leave(struct xdp_md *ctx, struct section *s, struct counters *oc, __u32 class)
{
	if (s->flags & SECTION_QUEUES) {
		int verdict = hand_over(ctx, META_QUEUE, class, s->ifindex);

		if (verdict >= 0)
			return verdict;
		count_event(EV_RELAY);
		oc->out_drops++;
		return XDP_DROP;
	}
	return bpf_redirect(s->ifindex, 0);
}

// drop_path counts a drop behind the groups: at the sender, the outermost leg
// and the section.
static __always_inline int drop_path(struct out *o, struct legs *legs, struct counters *oc, __u32 ev)
{
	__u32 i;

#pragma unroll
	for (i = MAX_NESTING; i > 0; i--) {
		if (legs->c[i - 1]) {
			legs->c[i - 1]->out_drops++;
			break;
		}
	}
	return drop_out(o->c, oc, ev);
}

// send_section is the way out of everything that enters no group.
static __always_inline int send_section(struct xdp_md *ctx, struct out *o)
{
	__u32 id = o->next, head, size;
	struct counters *oc = bpf_map_lookup_elem(&section_counters, &id);
	struct section *s = section_of(id);
	__u16 proto = P_MPLS;
	void *data, *end;
	struct ethhdr *eth;
	__be16 *type;
	__be32 *at;
	int delta;

	if (!s || !oc || o->n > MAX_IMPOSE || o->strip > o->len)
		return drop_out(o->c, oc, EV_INTERNAL);
	if (!s->ifindex || s->flags & SECTION_DOWN)
		return drop_out(o->c, oc, EV_SECTION_DOWN);
	if (!o->n && o->s) {
		proto = ip_protocol(ctx, o->strip);
		if (!proto)
			return drop_out(o->c, oc, EV_PAYLOAD);
	}
	size = o->len - o->strip + 4 * (o->n + o->tail_n);
	if (size > s->mtu)
		return drop_out(o->c, oc, EV_MTU);
	head = ETH_HLEN + (s->vlan ? 4 : 0);
	delta = (int)o->strip - (int)(head + 4 * (o->n + o->tail_n));
	if (delta && bpf_xdp_adjust_head(ctx, delta))
		return drop_out(o->c, oc, EV_INTERNAL);
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	eth = data;
	if ((void *)(eth + 1) > end)
		return drop_out(o->c, oc, EV_INTERNAL);
	__builtin_memcpy(eth->h_dest, s->peer, 12);
	type = data + 2 * ETH_ALEN;
	if (s->vlan) {
		if ((void *)(type + 3) > end)
			return drop_out(o->c, oc, EV_INTERNAL);
		type[0] = P_VLAN;
		type[1] = bpf_htons(s->vlan);
		type += 2;
	}
	*type = proto;
	at = (void *)(type + 1);
	if (put_labels(&at, end, o->lse, o->n, o->tc_set, o->tc, o->s << 8 | o->ttl))
		return drop_out(o->c, oc, EV_INTERNAL);
	if (o->tail_n) {
		if ((void *)(at + 2) > end)
			return drop_out(o->c, oc, EV_INTERNAL);
		at[0] = o->tail[0];
		if (o->tail_n > 1)
			at[1] = o->tail[1];
	}
	o->c->out_packets++;
	o->c->out_octets += size;
	oc->out_packets++;
	oc->out_octets += size;
	return leave(ctx, s, oc, o->class == CLASS_BY_TC ? top_tc(o->lse, o->n, o->tc_set, o->tc) : o->class);
}

// place_labels is put_labels at an offset that the verifier need not know.
static __always_inline int place_labels(struct xdp_md *ctx, __u64 off, const __u32 *lse, __u32 n,
					__u32 tc_set, __u32 tc, __u32 low)
{
	__u32 i;

	for (i = 0; i < MAX_IMPOSE; i++) {
		__be32 *at;
		__u32 v;

		if (i >= n)
			break;
		bound(off);
		at = (void *)(long)ctx->data + off;
		if ((void *)(at + 1) > (void *)(long)ctx->data_end)
			return -1;
		v = lse[i];
		if (!(tc_set & 1 << i))
			v |= tc << 9;
		if (i == n - 1)
			v |= low;
		*at = bpf_htonl(v);
		off += 4;
	}
	return 0;
}

// send_group is the way out through groups: the labels of the legs come above
// those of the sender. A list of copies gets the frame as it is up to there,
// under an Ethernet header without addresses.
static __noinline int send_group(struct xdp_md *ctx, struct out *o)
{
	__u32 size, total, head = ETH_HLEN, class, tc, i;
	struct counters *oc = NULL;
	struct section *s = NULL;
	struct legs legs = {};
	struct ethhdr *eth;
	__u16 proto = P_MPLS;
	__u64 off;
	void *end;
	int delta;

	if (o->n > MAX_IMPOSE || o->strip > o->len || o->tail_n > 2)
		return drop_out(o->c, NULL, EV_INTERNAL);
	size = o->len - o->strip + 4 * (o->n + o->tail_n);
	if (walk(o, &legs, size) < 0)
		return XDP_DROP;
	total = o->n + o->tail_n + legs.n;
	if (total > MAX_STACK)
		return drop_out(o->c, NULL, EV_NESTING);
	if (!(o->n + legs.n) && o->s) {
		proto = ip_protocol(ctx, o->strip);
		if (!proto)
			return drop_out(o->c, NULL, EV_PAYLOAD);
	}
	if (!legs.copies) {
		oc = bpf_map_lookup_elem(&section_counters, &legs.section);
		s = section_of(legs.section);
		if (!s || !oc)
			return drop_out(o->c, NULL, EV_INTERNAL);
		if (!s->ifindex || s->flags & SECTION_DOWN)
			return drop_path(o, &legs, oc, EV_SECTION_DOWN);
		if (o->len - o->strip + 4 * total > s->mtu)
			return drop_path(o, &legs, oc, EV_MTU);
		if (s->vlan)
			head += 4;
	}
	delta = (int)o->strip - (int)(head + 4 * total);
	if (delta && bpf_xdp_adjust_head(ctx, delta))
		return drop_path(o, &legs, oc, EV_INTERNAL);
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)(eth + 1) + 4 > end)
		return drop_path(o, &legs, oc, EV_INTERNAL);
	if (s) {
		__builtin_memcpy(eth->h_dest, s->peer, 12);
		if (s->vlan) {
			__be16 *tag = (void *)(eth + 1);

			eth->h_proto = P_VLAN;
			tag[0] = bpf_htons(s->vlan);
			tag[1] = proto;
		} else {
			eth->h_proto = proto;
		}
	} else {
		__builtin_memset(eth, 0, 2 * ETH_ALEN);
		eth->h_proto = proto;
	}
	// From the bottom up, for the traffic class comes from below.
	off = head + 4 * (total - o->tail_n);
	bound(off);
	if (o->tail_n) {
		__be32 *at = (void *)(long)ctx->data + off;

		if ((void *)(at + 2) > end)
			return drop_path(o, &legs, oc, EV_INTERNAL);
		at[0] = o->tail[0];
		if (o->tail_n > 1)
			at[1] = o->tail[1];
	}
	off -= 4 * o->n;
	if (place_labels(ctx, off, o->lse, o->n, o->tc_set, o->tc, o->s << 8 | o->ttl))
		return drop_path(o, &legs, oc, EV_INTERNAL);
	tc = top_tc(o->lse, o->n, o->tc_set, o->tc);
	class = o->class == CLASS_BY_TC ? tc : o->class;
	size = o->len - o->strip + 4 * (o->n + o->tail_n);
	o->c->out_packets++;
	o->c->out_octets += size;
#pragma unroll
	for (i = 0; i < MAX_NESTING; i++) {
		struct lsp *l = legs.lsp[i];
		struct counters *c = legs.c[i];
		__u32 n;

		if (!l || !c)
			break;
		n = l->n;
		if (n > MAX_IMPOSE)
			return XDP_DROP;
		bound(off);
		off -= 4 * n;
		// Without labels of the sender the lowest leg is above the client itself.
		if (place_labels(ctx, off, l->lse, n, l->tc_set, tc, i == 0 && !o->n ? o->s << 8 : 0))
			return drop_path(o, &legs, oc, EV_INTERNAL);
		tc = top_tc(l->lse, n, l->tc_set, tc);
		if (l->flags & LSP_CLASS)
			class = l->class;
		else if (o->class == CLASS_BY_TC)
			class = tc;
		size += 4 * n;
		c->out_packets++;
		c->out_octets += size;
	}
	if (legs.copies)
		return hand_over_copies(ctx, o->c, legs.copies, 0);
	if (!s || !oc)
		return XDP_DROP;
	oc->out_packets++;
	oc->out_octets += size;
	return leave(ctx, s, oc, class);
}

// send_via sends a packet and counts it, or its end. It returns the verdict.
static __always_inline int send_via(struct xdp_md *ctx, struct out *o)
{
	if (REF_KIND(o->next) == REF_GROUP) {
		struct out slow = *o; // so that the other way can keep its own in registers

		return send_group(ctx, &slow);
	}
	return send_section(ctx, o);
}
