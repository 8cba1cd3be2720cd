// The way in: the section of a frame, its label stack, what belongs to each label.
#pragma once

#include "arrival.h"
#include "fast.h"
#include "packet.h"
#include "punt.h"
#include "send.h"

// deliver hands the IP packet at offset strip to the host's IP stack, as if it
// had come in untagged on the section's interface.
static __always_inline int deliver(struct xdp_md *ctx, struct packet *p, struct counters *c, __u32 strip,
				   __u16 want)
{
	__u16 proto = ip_protocol(ctx, strip);
	struct ethhdr *eth = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u8 source[ETH_ALEN];

	if (!proto || (want && proto != want))
		return drop_in(p, c, EV_PAYLOAD);
	if (!p->host)
		return drop_in(p, c, EV_INTERNAL);
	if ((void *)(eth + 1) > end)
		return drop_in(p, c, EV_INTERNAL);
	__builtin_memcpy(source, eth->h_source, ETH_ALEN);
	if (bpf_xdp_adjust_head(ctx, (int)strip - ETH_HLEN))
		return drop_in(p, c, EV_INTERNAL);
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if ((void *)(eth + 1) > end)
		return drop_in(p, c, EV_INTERNAL);
	__builtin_memcpy(eth->h_dest, p->host->own, 6);
	__builtin_memcpy(eth->h_source, source, ETH_ALEN);
	eth->h_proto = proto;
	return XDP_PASS;
}

// client_class is the traffic class of what is at offset off: of the next
// label, or the class selector of an IP packet (RFC 2474 section 4.2.2).
static __always_inline __u32 client_class(struct xdp_md *ctx, __u64 off, __u32 labelled)
{
	__u8 *b;

	bound(off);
	b = (void *)(long)ctx->data + off;
	if ((void *)(b + 4) > (void *)(long)ctx->data_end)
		return 0;
	if (labelled)
		return b[2] >> 1 & 7;
	return *b >> 4 == 4 ? b[1] >> 5 : (*b & 15) >> 1;
}

// way_of is how an LSP sends a packet. strip is the number of octets that go
// from the front: the Ethernet header and the labels popped. s tells whether
// the stack is empty behind them; ttl and tc are those of the label popped last,
// or of the IP packet.
static __always_inline struct out way_of(struct xdp_md *ctx, struct lsp *l, struct counters *c, __u32 len,
					 __u32 strip, __u32 ttl, __u32 tc, __u32 s)
{
	struct out o = {
		.c = c, .counter = l->counter, .lse = l->lse, .next = l->out, .n = l->n, .tc_set = l->tc_set, .tc = tc,
		.ttl = l->op == OP_SWAP ? ttl - 1 : 0, .s = s, .len = len, .strip = strip, .class = CLASS_BY_TC,
	};

	// RFC 3270 section 2.6.2: behind the end of an LSP its own traffic class
	// selects the queue and goes into labels that come instead (pipe), or that
	// of the client does (short pipe).
	if (l->op == OP_POP && l->flags & LSP_SHORT_PIPE)
		o.tc = client_class(ctx, strip, !s);
	else if (l->op == OP_POP)
		o.class = tc;
	if (l->flags & LSP_CLASS)
		o.class = l->class;
	return o;
}

// fan_out hands the frame, from the label at offset off on, to the copies of
// an LSP.
static __always_inline int fan_out(struct xdp_md *ctx, struct lsp *l, struct counters *c, __u32 off, __u32 omit)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct {
		__u32 w[3];
	} addresses;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return drop_out(c, NULL, EV_INTERNAL);
	__builtin_memcpy(&addresses, eth, sizeof(addresses));
	if (off != ETH_HLEN && bpf_xdp_adjust_head(ctx, (int)off - ETH_HLEN))
		return drop_out(c, NULL, EV_INTERNAL);
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return drop_out(c, NULL, EV_INTERNAL);
	__builtin_memcpy(eth, &addresses, sizeof(addresses));
	eth->h_proto = P_MPLS;
	return hand_over_copies(ctx, c, l->copies, omit);
}

// selected tells whether the receiving end takes what arrives on the LSP: that
// of 1+1 takes one leg only.
static __always_inline int selected(struct lsp *l)
{
	__u32 slot = l->selector;
	struct group *g = bpf_map_lookup_elem(&groups, &slot);

	return g && GROUP_ACTIVE(*(volatile __u64 *)&g->state) == l->selector_leg;
}

// Where the work on the label stack is.
struct position {
	__u32 off;     // of the label
	__u32 depth;   // labels above it
	__u32 section; // whose label space it is in
	__u32 own;     // whether the section has one
	__u32 above;   // label of the LSP that led here, 0 for none
	__u32 counter; // its counter
	__u32 entry;   // the label stack entry
	__u32 ref;     // what it refers to
};

// referred returns what a label refers to, also where it tells all of it.
static __always_inline __u32 referred(const struct label_entry *e)
{
	__u64 lead = *(volatile __u64 *)&e->lead;
	__u32 id = LEAD_COUNTER(lead), *ref;

	if (!(lead & LEAD_PLAIN))
		return LEAD_REF(lead);
	ref = bpf_map_lookup_elem(&plain_lsps, &id);
	return ref ? *ref : 0;
}

// find looks a label up in the section's own space, or in the per-platform
// one, and returns what it refers to, 0 for nothing. A label below another was
// given to a peer that need not be on this section, so it can be of the
// per-platform space also where the section has one of its own (RFC 3031
// section 3.14).
static __always_inline __u32 find(const struct position *at, __u32 label)
{
	struct label_entry *e;

	if (at->own) {
		struct label_key k = { .section = at->section, .label = label };

		e = bpf_map_lookup_elem(&section_labels, &k);
		if (e)
			return referred(e);
		if (!at->depth)
			return 0;
	}
	e = bpf_map_lookup_elem(&platform_labels, &label);
	return e ? referred(e) : 0;
}

// What a condition makes of the way of a packet.
struct condition {
	struct lsp *l;
	struct counters *c;
};

// condition does what is out of the ordinary with an LSP: down, blocked for
// users (RFC 6371 section 5.1.2), or looped: what has arrived goes on as that of
// the opposite direction, which need not be open to users (RFC 6435 section 4).
// off is behind the label. It returns 0 where the packet goes on, as of k->l.
static __always_inline int condition(struct packet *p, struct condition *k, __u32 off, __u32 gach)
{
	__u32 slot = k->l->loop, id;
	struct counters *c;
	struct lsp *l;

	if (k->l->flags & LSP_DOWN)
		return drop_in(p, k->c, EV_LSP_DOWN);
	if (!(k->l->flags & LSP_LOOP))
		return gach ? 0 : drop_in(p, k->c, EV_BLOCKED);
	l = slot ? bpf_map_lookup_elem(&lsps, &slot) : NULL;
	// Whoever is looped into nothing is locked all the same.
	if (!l || l->op == OP_NONE || l->op >= OP_POP_LOOKUP || l->copies)
		return drop_in(p, k->c, EV_BLOCKED);
	id = l->counter;
	c = counters_of(id);
	if (!c)
		return drop_in(p, k->c, EV_INTERNAL);
	c->in_packets++;
	c->in_octets += p->len - off + (l->op == OP_IMPOSE ? 0 : 4);
	if (l->flags & LSP_DOWN)
		return drop_in(p, c, EV_LSP_DOWN);
	k->l = l;
	k->c = c;
	return 0;
}

// What the work on the label stack comes to.
enum stop {
	STOP_NOT,     // there is a label below
	STOP_CUT,     // the end of the frame
	STOP_SPECIAL, // a special-purpose label
	STOP_ENTROPY, // the bottom, by an entropy label
	STOP_LSP,
	STOP_PW,
};

// passes tells whether a packet goes on with the label below that of an LSP
// which ends here. A GAL is below the label of its MEP, and reaches it also while
// the LSP is down, and with whatever TTL it arrives.
static __always_inline int passes(struct lsp *l, __u32 ttl, __u32 gal_next)
{
	if (l->op != OP_POP_LOOKUP)
		return 0;
	if (gal_next)
		return !(l->flags & LSP_LOOP) || ttl <= 1;
	return ttl > 1 && !(l->flags & (LSP_DOWN | LSP_BLOCKED | LSP_LOOP)) && !l->copies &&
	       (!l->selector || selected(l));
}

// special handles a special-purpose label that ends the work on the stack.
static __always_inline int special(struct xdp_md *ctx, struct packet *p, const struct position *at)
{
	__u32 v = at->entry, label = v >> 12, s = v >> 8 & 1;
	struct origin o = { .label = label, .has_label = 1, .entity = ENTITY_NONE, .depth = at->depth };
	__u64 off = at->off;

	switch (label) {
	case LABEL_GAL:
		// RFC 5586 section 4.2.1: always the bottom of the stack, with the ACH
		// below; section 4.1: on top for a section.
		bound(off);
		if (!s || (at->depth && !at->above) || (void *)(long)ctx->data + off + 8 > (void *)(long)ctx->data_end)
			return drop_in(p, NULL, EV_MALFORMED);
		o.label = at->above;
		o.has_label = at->above != 0;
		o.counter = at->counter;
		o.entity = at->above ? ENTITY_LSP : ENTITY_SECTION;
		o.ach = off + 4;
		return punt_frame(ctx, p, &o);
	case LABEL_IPV4_NULL:
	case LABEL_IPV6_NULL:
		if ((v & 255) > 1) // and the bottom, or step had gone on
			return deliver(ctx, p, NULL, off + 4, label == LABEL_IPV4_NULL ? P_IP : P_IPV6);
		count_event(EV_TTL);
		o.reason = PUNT_TTL;
		return punt_frame(ctx, p, &o);
	case LABEL_ROUTER_ALERT:
		// RFC 3032 section 2.1: anywhere but at the bottom.
		if (s)
			return drop_in(p, NULL, EV_MALFORMED);
		o.reason = PUNT_ROUTER_ALERT;
		return punt_frame(ctx, p, &o);
	case LABEL_EXTENSION:
		// RFC 7274 section 3.1: what follows is no ordinary label, and none is
		// known here.
		return drop_in(p, NULL, EV_EXTENSION_LABEL);
	case LABEL_ELI:
		return drop_in(p, NULL, EV_ENTROPY_LABEL);
	}
	return drop_in(p, NULL, EV_SPECIAL_LABEL);
}

// labelled does what an LSP does with a packet, but for going on below its label.
static __always_inline int labelled(struct xdp_md *ctx, struct packet *p, const struct position *at, struct lsp *l)
{
	__u32 v = at->entry, s = v >> 8 & 1, ttl = v & 255, id, gal_next = 0;
	struct origin o = { .label = v >> 12, .has_label = 1, .depth = at->depth, .entity = ENTITY_LSP };
	struct counters *c;
	__u64 off = at->off;

	if (!l || l->op <= OP_IMPOSE || l->op > OP_POP_LOOKUP)
		return drop_in(p, NULL, EV_NO_LABEL);
	id = l->counter;
	c = counters_of(id);
	if (!c)
		return drop_in(p, NULL, EV_INTERNAL);
	if (!(l->flags & LSP_BRANCH)) {
		c->in_packets++;
		c->in_octets += p->len - off;
	}
	o.counter = id;
	off += 4;
	if (!s) {
		__be32 *lse;

		bound(off);
		lse = (void *)(long)ctx->data + off;
		gal_next = (void *)(lse + 1) <= (void *)(long)ctx->data_end && bpf_ntohl(*lse) >> 12 == LABEL_GAL;
	}
	if (ttl <= 1) {
		count_event(EV_TTL);
		c->in_drops++;
		o.reason = PUNT_TTL;
		o.ach = ach_below(ctx, off, s);
		return punt_frame(ctx, p, &o);
	}
	if (l->flags & (LSP_DOWN | LSP_BLOCKED | LSP_LOOP)) {
		struct condition k = { .l = l, .c = c };
		int verdict = condition(p, &k, off, gal_next);

		if (verdict)
			return verdict;
		l = k.l;
		c = k.c;
	}
	if (l->copies) {
		if (!gal_next || !(l->flags & LSP_BUD))
			return fan_out(ctx, l, c, off - 4, 0);
		o.reason = PUNT_GAL; // The MEP of a bud node is here.
		o.depth++;
		o.ach = off + 4;
		punt_frame(ctx, p, &o);
		return fan_out(ctx, l, c, off - 4, 1);
	}
	if (l->op != OP_POP_LOOKUP) {
		struct out o = way_of(ctx, l, c, p->len, off, ttl, v >> 9 & 7, s);

		return through_groups(ctx, &o);
	}
	if (l->selector && !selected(l)) {
		count_event(EV_NOT_SELECTED);
		return XDP_DROP;
	}
	return deliver(ctx, p, c, off, 0);
}

// step looks at one label. It counts, and moves on, what goes on below.
static __always_inline enum stop step(struct xdp_md *ctx, struct position *at, struct lsp **found)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 v, label, s, id, below = 0;
	struct lsp *l = *found;
	struct counters *c;
	__u64 off = at->off;
	__be32 *lse;

	bound(off);
	lse = data + off;
	if ((void *)(lse + 1) > end)
		return STOP_CUT;
	v = bpf_ntohl(*lse);
	label = v >> 12;
	s = v >> 8 & 1;
	at->entry = v;
	if (!s && (void *)(lse + 2) <= end)
		below = bpf_ntohl(lse[1]);
	if (label < LABEL_MIN) {
		if (label == LABEL_ELI && at->above && below >> 12 >= LABEL_MIN) {
			// RFC 6790 section 4.1: the two go with the label above them.
			at->off = off + 8;
			return below >> 8 & 1 ? STOP_ENTROPY : STOP_NOT;
		}
		if ((label != LABEL_IPV4_NULL && label != LABEL_IPV6_NULL) || s || (v & 255) <= 1)
			return STOP_SPECIAL;
		at->off = off + 4;
		at->above = 0; // nobody's G-ACh can be below an explicit null
		at->counter = 0;
		return STOP_NOT;
	}
	if (!l) {
		__u32 ref = find(at, label);

		at->ref = ref;
		if (REF_KIND(ref) == REF_PW)
			return STOP_PW;
		l = ref ? bpf_map_lookup_elem(&lsps, &ref) : NULL;
		*found = l;
	}
	if (!l || s || !passes(l, v & 255, below >> 12 == LABEL_GAL))
		return STOP_LSP;
	id = l->counter;
	c = counters_of(id);
	if (!c)
		return STOP_LSP;
	at->counter = id;
	if (!(l->flags & LSP_BRANCH)) {
		c->in_packets++;
		c->in_octets += end - data - off;
	}
	at->off = off + 4;
	at->above = label;
	return STOP_NOT;
}

// descend goes on from the third label. A function of its own, which the
// verifier walks through by itself, once for each number of labels.
__noinline int descend(struct xdp_md *ctx, struct position *at)
{
	__u32 depth;

	if (!at)
		return STOP_CUT;
	for (depth = 2; depth < MAX_RECEIVE; depth++) {
		struct lsp *l = NULL;
		enum stop stop;

		at->depth = depth;
		stop = step(ctx, at, &l);
		if (stop != STOP_NOT)
			return stop;
	}
	return STOP_NOT;
}

// stack works down the label stack until the packet is sent, delivered, punted
// or dropped.
static __always_inline int stack(struct xdp_md *ctx, struct packet *p)
{
	struct position at = {
		// len >> 16 is nothing, for no frame is that long, but the verifier does
		// not know and so walks through the rest once, not for each offset.
		.off = p->stack + (p->len >> 16), .section = p->section, .own = p->sec->flags & SECTION_OWN_SPACE,
	};
	struct lsp *l = p->lsp;
	int stop = step(ctx, &at, &l);

	if (stop == STOP_NOT) {
		at.depth = 1;
		l = NULL;
		stop = step(ctx, &at, &l);
	}
	if (stop == STOP_NOT) {
		stop = descend(ctx, &at);
		l = stop == STOP_LSP && at.ref ? bpf_map_lookup_elem(&lsps, &at.ref) : NULL;
	}
	if (stop == STOP_LSP)
		return labelled(ctx, p, &at, l);
	if (stop == STOP_SPECIAL)
		return special(ctx, p, &at);
	if (stop == STOP_PW) {
		struct arrival a = {
			.id = REF_SLOT(at.ref), .off = at.off + 4, .lse = at.entry, .section = p->section,
			.section_counter = p->sec->counter,
		};
		int verdict = pseudowire(ctx, &a);

		if (verdict <= GO_PUNT) {
			struct origin o = {
				.label = at.entry >> 12, .has_label = 1, .counter = a.counter, .reason = GO_PUNT - verdict,
				.entity = ENTITY_PW, .depth = at.depth, .ach = a.ach,
			};

			if (o.reason == PUNT_TTL)
				count_event(EV_TTL);
			return punt_frame(ctx, p, &o);
		}
		return finish(ctx, verdict);
	}
	if (stop == STOP_ENTROPY)
		return deliver(ctx, p, counters_of(at.counter), at.off, 0);
	if (stop == STOP_NOT)
		return drop_in(p, NULL, EV_TOO_DEEP);
	return drop_in(p, NULL, at.depth ? EV_NO_BOTTOM : EV_SHORT);
}

// section_gach tells whether what has the label at offset off on top is of the
// G-ACh of the section (RFC 5586 section 4.1).
static __always_inline int section_gach(struct xdp_md *ctx, __u64 off)
{
	__be32 *lse;

	bound(off);
	lse = (void *)(long)ctx->data + off;
	return (void *)(lse + 1) <= (void *)(long)ctx->data_end && bpf_ntohl(*lse) >> 12 == LABEL_GAL;
}

// GO_STACK is returned instead of a verdict where stack is still to be called.
#define GO_STACK -1

// enter_section finds the section of a frame, and sends what is plain. What is
// nobody's goes on to the host. direct tells whether the program runs on the
// interface that the frame came in on.
static __always_inline int enter_section(struct xdp_md *ctx, struct packet *p, int direct)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	static const __u8 multicast[8] = { 0x01, 0x00, 0x5e, 0x90, 0x00, 0x00 };
	half *type = data + 2 * ETH_ALEN;
	__u32 section, at = ETH_HLEN, vlan = 0, len = end - data;
	struct section *sec;
	int ours;

	if ((void *)(type + 1) > end)
		return XDP_PASS;
	if (*type == P_VLAN) {
		__be16 *tag = data + ETH_HLEN;

		if ((void *)(tag + 2) > end || tag[1] != P_MPLS)
			return XDP_PASS;
		vlan = bpf_ntohs(tag[0]) & 0xfff;
		at += 4;
	} else if (*type != P_MPLS) {
		return XDP_PASS;
	}
	section = section_on(p->ifindex, vlan);
	sec = section ? section_of(section) : NULL;
	if (!sec)
		return XDP_PASS;
	p->len = len;
	p->stack = at;
	p->vlan = vlan;
	p->section = section;
	p->sec = sec;
	ours = same_mac(data, sec->own) || same_mac(data, multicast);
	if (direct && ours) {
		int verdict = forward(ctx, sec, at, len);

		if (verdict != NOT_PLAIN)
			return verdict;
	}
	// In memory from here on: the compiler would keep all of it on the stack
	// besides, of which there is little.
	asm volatile("" : "+r"(p) : : "memory");
	sec = p->sec;
	p->secc = counters_of(sec->counter);
	if (!p->secc)
		return XDP_PASS;
	if (!p->host)
		p->host = sec;
	if (!ours)
		return drop_in(p, NULL, EV_FOREIGN_MAC);
	p->secc->in_packets++;
	p->secc->in_octets += p->len - p->stack;
	if (p->sec->flags & SECTION_DOWN)
		return drop_in(p, NULL, EV_SECTION_DOWN);
	if (p->sec->flags & SECTION_BLOCKED && !section_gach(ctx, p->stack))
		return drop_in(p, NULL, EV_BLOCKED);
	return GO_STACK;
}

// receive is the way of a frame that came in where the program runs.
static __always_inline int receive(struct xdp_md *ctx)
{
	struct packet p = { .ifindex = ctx->ingress_ifindex };
	int verdict = enter_section(ctx, &p, 1);

	return verdict == GO_STACK ? stack(ctx, &p) : verdict;
}
