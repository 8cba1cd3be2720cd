// The way out: groups, labels, the Ethernet header, the section.
#pragma once

#include "packet.h"

// CLASS_BY_TC puts a frame into the queue of the traffic class of its top label.
#define CLASS_BY_TC 8

// What goes with the copies of a packet besides what is in them: the traffic
// class for labels without, and the queue. In the last octet of the source
// address, of frames whose destination is zero.
#define CARRY(tc, class) (0x80 | (class) << 3 | (tc))
#define CARRIED_TC(x) ((x) & 7)
#define CARRIED_CLASS(x) ((x) >> 3 & 15)

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
	__u32 overhead;     // octets that c does not count
	__u32 counter;      // c
};

// The same without pointers, for a function that the verifier looks at by
// itself and once, not anew for every way that leads to it.
struct way {
	__u32 lse[MAX_IMPOSE];
	__u32 counter, next, n, tc_set, tc, ttl, s, len, strip, tail_n;
	__be32 tail[2];
	__u32 class, overhead;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct way);
} scratch SEC(".maps");

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

// drop_taken counts a drop at all legs that have taken the packet.
static __always_inline void drop_taken(struct legs *legs)
{
	__u32 i;

#pragma unroll
	for (i = 0; i < MAX_NESTING; i++) {
		if (!legs->c[i])
			break;
		legs->c[i]->out_drops++;
	}
}

// walk follows the groups from next to a section or a list of copies and
// counts what enters them. size is the length under the labels of the sender. Negative:
// the packet is dropped and counted.
static __always_inline int walk(__u32 cpu, struct counters *sender, struct legs *legs, __u32 next, __u32 size)
{
	struct counters *c = NULL;
	__u32 i, ev = EV_NESTING;

#pragma unroll
	for (i = 0; i <= MAX_NESTING; i++) {
		struct group *g;
		__u32 slot, id;
		struct lsp *l;
		__u64 state;

		if (REF_KIND(next) != REF_GROUP) {
			legs->section = next;
			return 0;
		}
		c = NULL;
		slot = REF_SLOT(next);
		g = bpf_map_lookup_elem(&groups, &slot);
		if (i == MAX_NESTING || !g)
			break;
		state = *(volatile __u64 *)&g->state;
		id = g->counter;
		c = counters_at(cpu, id);
		ev = EV_INTERNAL;
		if (!c)
			break;
		c->in_packets++;
		c->in_octets += size;
		ev = EV_GROUP_DOWN;
		if (state & GROUP_DOWN)
			break;
		ev = EV_GROUP_EMPTY;
		if (state & GROUP_PERMANENT) {
			legs->copies = g->copies;
			if (legs->copies)
				return 0;
			break;
		}
		id = GROUP_ACTIVE(state) ? GROUP_LEG(state, 1) : GROUP_LEG(state, 0);
		if (!id || state & GROUP_PWS)
			break;
		l = bpf_map_lookup_elem(&lsps, &id);
		if (!l || l->op != OP_IMPOSE)
			break;
		id = l->counter;
		c = counters_at(cpu, id);
		ev = EV_INTERNAL;
		if (!c)
			break;
		c->in_packets++;
		c->in_octets += size;
		ev = l->flags & LSP_DOWN ? EV_LSP_DOWN : EV_BLOCKED;
		if (l->flags & (LSP_DOWN | LSP_BLOCKED))
			break;
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
		ev = EV_NESTING;
	}
	count_event(ev);
	if (c)
		c->in_drops++;
	drop_taken(legs);
	sender->out_drops++;
	return -1;
}

static __always_inline __u32 top_tc(const __u32 *lse, __u32 n, __u32 tc_set, __u32 tc)
{
	return n && tc_set & 1 ? lse[0] >> 9 & 7 : tc;
}

// by_host tells whether this is the far end of the impose device and frames go
// from there by the tc program behind it, since the interfaces do not take what
// native XDP redirects.
static __always_inline int by_host(struct xdp_md *ctx)
{
	__u32 zero = 0, *far = bpf_map_lookup_elem(&by_tc, &zero);

	return far && *far && *far == ctx->ingress_ifindex;
}

// depart sends a finished frame to an interface that is no section.
static __always_inline int depart(struct xdp_md *ctx, __u32 ifindex, __u32 class)
{
	if (by_host(ctx)) {
		int verdict = hand_over(ctx, META_QUEUE, class, ifindex);

		if (verdict >= 0)
			return verdict;
		count_event(EV_RELAY);
		return XDP_DROP;
	}
	return bpf_redirect(ifindex, 0);
}

// leave sends a finished frame to the section.
static __always_inline int leave(struct xdp_md *ctx, struct section *s, struct counters *oc, __u32 class)
{
	if (s->flags & SECTION_QUEUES || (s->flags & SECTION_BY_TC && by_host(ctx))) {
		int verdict = hand_over(ctx, META_QUEUE, class, s->ifindex);

		if (verdict >= 0)
			return verdict;
		count_event(EV_RELAY);
		oc->out_drops++;
		return XDP_DROP;
	}
	return bpf_redirect(s->ifindex, 0);
}

// drop_path counts a drop behind the groups: at the sender, all legs and the
// section.
static __always_inline int drop_path(struct counters *sender, struct legs *legs, struct counters *oc, __u32 ev)
{
	drop_taken(legs);
	return drop_out(sender, oc, ev);
}

// closed tells why nothing of users leaves by a section, 0 where it does.
static __always_inline __u32 closed(const struct section *s)
{
	if (!s->ifindex || s->flags & SECTION_DOWN)
		return EV_SECTION_DOWN;
	return s->flags & SECTION_BLOCKED ? EV_BLOCKED : 0;
}

struct labels {
	__u32 lse[MAX_IMPOSE];
};

// place_labels writes labels from offset off on; low goes into the last one. A
// function of its own: the verifier would go through what follows once for each
// number of labels. what is their number, which of them have a traffic class,
// and that of the others: PLACE.
#define PLACE(n, tc_set, tc) ((n) | (tc_set) << 8 | (tc) << 16)
__noinline int place_labels(struct xdp_md *ctx, __u32 from, const struct labels *l, __u32 what, __u32 low)
{
	__u32 n = what & 255, tc = what >> 16 & 7, i;
	__u64 off = from;

	if (!l)
		return -1;
	for (i = 0; i < MAX_IMPOSE; i++) {
		__be32 *at;
		__u32 v;

		if (i >= n)
			break;
		bound(off);
		at = (void *)(long)ctx->data + off;
		if ((void *)(at + 1) > (void *)(long)ctx->data_end)
			return -1;
		v = l->lse[i];
		if (!(what & 1 << (8 + i)))
			v |= tc << 9;
		if (i == n - 1)
			v |= low;
		*at = bpf_htonl(v);
		off += 4;
	}
	return 0;
}

// place is place_labels, which is called only for more than one label: the call
// costs more than the work.
static __always_inline int place(struct xdp_md *ctx, __u64 off, const __u32 *lse, __u32 n, __u32 tc_set, __u32 tc, __u32 low)
{
	__be32 *at;
	__u32 v;

	if (!n)
		return 0;
	if (n > 1)
		return place_labels(ctx, off, (void *)lse, PLACE(n, tc_set, tc), low);
	bound(off);
	at = (void *)(long)ctx->data + off;
	if ((void *)(at + 1) > (void *)(long)ctx->data_end)
		return -1;
	v = lse[0] | low;
	if (!(tc_set & 1))
		v |= tc << 9;
	*at = bpf_htonl(v);
	return 0;
}

// send_group is the way out through groups: the labels of the legs come above
// those of the sender. A list of copies gets the frame as it is up to there,
// under an Ethernet header without addresses; in their place is what else a copy
// that enters an LSP has to know, CARRY.
__noinline int send_group(struct xdp_md *ctx)
{
	__u32 size, total, head = ETH_HLEN, tc, cpu, id = 0;
	struct counters *oc = NULL, *c;
	struct way *w;
	struct section *s = NULL;
	struct legs legs = {};
	half *type;
	__u16 proto = P_MPLS;
	__u64 off;
	void *data, *end;
	int delta;

	w = bpf_map_lookup_elem(&scratch, &id);
	if (!w)
		return XDP_DROP;
	cpu = this_cpu();
	c = counters_at(cpu, w->counter);
	if (!c)
		return XDP_DROP;
	if (w->n > MAX_IMPOSE || w->strip > w->len || w->tail_n > 2)
		return drop_out(c, NULL, EV_INTERNAL);
	size = w->len - w->strip + 4 * (w->n + w->tail_n);
	if (walk(cpu, c, &legs, w->next, size) < 0)
		return XDP_DROP;
	total = w->n + w->tail_n + legs.n;
	if (total > MAX_STACK)
		return drop_path(c, &legs, NULL, EV_NESTING);
	if (legs.copies && size < 4) // The relay takes no less.
		return drop_out(c, NULL, w->s ? EV_PAYLOAD : EV_MALFORMED);
	if (!legs.copies) {
		s = section_of(legs.section);
		if (!s)
			return drop_path(c, &legs, NULL, EV_INTERNAL);
		oc = counters_at(cpu, s->counter);
		if (!oc)
			return drop_path(c, &legs, NULL, EV_INTERNAL);
		if (closed(s))
			return drop_path(c, &legs, oc, closed(s));
	}
	if (!(w->n + legs.n) && w->s) {
		// A copy gets labels, so all that counts is that it has none yet.
		proto = legs.copies ? P_IP : ip_protocol(ctx, w->strip);
		if (!proto)
			return drop_out(c, oc, EV_PAYLOAD);
	}
	if (s) {
		if (w->len - w->strip + 4 * total > s->mtu)
			return drop_path(c, &legs, oc, EV_MTU);
		if (s->vlan)
			head += 4;
	}
	delta = (int)w->strip - (int)(head + 4 * total);
	if (delta && bpf_xdp_adjust_head(ctx, delta))
		return drop_path(c, &legs, oc, EV_INTERNAL);
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	type = data + 2 * ETH_ALEN;
	if ((void *)(type + 1) > end)
		return drop_path(c, &legs, oc, EV_INTERNAL);
	type[0] = proto;
	if (s) {
		put_addresses(data, s);
		if (s->vlan) {
			if ((void *)(type + 3) > end)
				return drop_path(c, &legs, oc, EV_INTERNAL);
			type[0] = P_VLAN;
			type[1] = bpf_htons(s->vlan);
			type[2] = proto;
		}
	} else {
		__builtin_memset(data, 0, 2 * ETH_ALEN);
	}
	// From the bottom up, for the traffic class comes from below.
	off = head + 4 * (total - w->tail_n);
	bound(off);
	if (w->tail_n) {
		__be32 *at = (void *)(long)ctx->data + off;

		if ((void *)(at + 2) > end)
			return drop_path(c, &legs, oc, EV_INTERNAL);
		at[0] = w->tail[0];
		if (w->tail_n > 1)
			at[1] = w->tail[1];
	}
	off -= 4 * w->n;
	if (place(ctx, off, w->lse, w->n, w->tc_set, w->tc, w->s << 8 | w->ttl))
		return drop_path(c, &legs, oc, EV_INTERNAL);
	tc = top_tc(w->lse, w->n, w->tc_set, w->tc);
	size = w->len - w->strip + 4 * (w->n + w->tail_n);
	c->out_packets++;
	c->out_octets += size - w->overhead;
	for (__u32 i = 0; i < MAX_NESTING; i++) {
		struct lsp *l = legs.lsp[i];
		struct counters *lc = legs.c[i];
		__u32 n;

		if (!l || !lc)
			break;
		n = l->n;
		if (n > MAX_IMPOSE)
			return XDP_DROP;
		bound(off);
		off -= 4 * n;
		// Without labels of the sender the lowest leg is above the client itself.
		if (place(ctx, off, l->lse, n, l->tc_set, tc, i == 0 && !w->n ? w->s << 8 : 0))
			return drop_path(c, &legs, oc, EV_INTERNAL);
		tc = top_tc(l->lse, n, l->tc_set, tc);
		if (l->flags & LSP_CLASS)
			w->class = l->class; // of the last L-LSP on the way
		size += 4 * n;
		lc->out_packets++;
		lc->out_octets += size;
	}
	if (legs.copies) {
		__u8 *carry = (void *)(long)ctx->data + 2 * ETH_ALEN - 1;

		if ((void *)(carry + 1) > (void *)(long)ctx->data_end)
			return XDP_DROP;
		*carry = CARRY(tc, w->class);
		return hand_over_copies(ctx, c, legs.copies, 0);
	}
	if (!s || !oc)
		return XDP_DROP;
	oc->out_packets++;
	oc->out_octets += size;
	return leave(ctx, s, oc, w->class == CLASS_BY_TC ? tc : w->class);
}

// GO_SEND is returned instead of a verdict where send_group is still to be
// called: the stack of nested functions is short.
#define GO_SEND -2

// prepare fills in what send_group sends.
static __always_inline int prepare(const struct out *o)
{
	__u32 zero = 0;
	struct way *w = bpf_map_lookup_elem(&scratch, &zero);

	if (!w)
		return XDP_DROP;
	w->counter = o->counter;
	w->next = o->next;
	w->n = o->n;
	w->tc_set = o->tc_set;
	w->tc = o->tc;
	w->ttl = o->ttl;
	w->s = o->s;
	w->len = o->len;
	w->strip = o->strip;
	w->tail_n = o->tail_n;
	w->tail[0] = o->tail[0];
	w->tail[1] = o->tail[1];
	w->class = o->class;
	w->overhead = o->overhead;
	__builtin_memcpy(w->lse, o->lse, sizeof(w->lse));
	return GO_SEND;
}

// finish makes a verdict of what prepare has returned.
static __always_inline int finish(struct xdp_md *ctx, int verdict)
{
	return verdict == GO_SEND ? send_group(ctx) : verdict;
}

// through_groups is send_group of what has pointers.
static __always_inline int through_groups(struct xdp_md *ctx, const struct out *o)
{
	return finish(ctx, prepare(o));
}
