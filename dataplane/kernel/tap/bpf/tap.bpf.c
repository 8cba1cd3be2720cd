// The tap: it looks at labelled frames before the kernel's own filters and
// routes do, copies those that are OAM's into a ring, or only notes them where a
// steady session expects them, and leaves all of them to the kernel, but stacks
// that the kernel could not tell apart from others.
#include "maps.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include "../../../punt/bpf/punting.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define LABEL_IPV4_NULL 0
#define LABEL_ROUTER_ALERT 1
#define LABEL_IPV6_NULL 2
#define LABEL_GAL 13
#define LABEL_MIN 16

// How many labels the kernel takes off one packet: the goto of chains.
#define MAX_RECEIVE 15

// What is known of the frame under way.
struct frame {
	struct port *port;
	__u32 ifindex;
	__u16 vlan;
};

// What a punted frame belongs to.
struct origin {
	__u32 label;
	__u32 space;
	__u8 reason;
	__u8 entity;
	__u8 has_label;
	__u8 depth;
	__u32 ach; // offset of the ACH, 0: there is none
};

static __always_inline void count_event(__u32 ev)
{
	__u64 *n = bpf_map_lookup_elem(&events, &ev);

	if (n)
		(*n)++;
}

// drop ends a frame that the kernel's filters would take for another one.
static __always_inline int drop(const struct frame *f, __u32 ev)
{
	if (f->port->flags & PORT_PASSES)
		return TC_ACT_UNSPEC;
	count_event(ev);
	return TC_ACT_SHOT;
}

// admit_meg takes a token from the bucket of a MEG.
static __always_inline int admit_meg(const struct frame *f, const struct origin *o, __u64 now)
{
	struct meg_key k = { .space = o->space, .label = o->label };
	struct bucket fresh = {}, *b;

	if (o->entity == ENTITY_NONE)
		return 1;
	if (o->entity == ENTITY_SECTION)
		k.section = f->port->section;
	b = bpf_map_lookup_elem(&megs, &k);
	if (!b) {
		// A bucket whose time is 0 is full.
		bpf_map_update_elem(&megs, &k, &fresh, BPF_NOEXIST);
		b = bpf_map_lookup_elem(&megs, &k);
	}
	return b && spend(b, LIMIT_MEG, now);
}

// What a record tells.
struct told {
	const struct frame *f;
	const struct origin *o;
	__u64 now;
	__u16 channel;
	__u8 ach;
};

static __always_inline void tell(struct punt *r, const struct told *t)
{
	const struct origin *o = t->o;

	// What gact counts cannot be read here.
	r->in_packets = r->in_octets = r->out_packets = r->out_octets = 0;
	r->time = t->now;
	r->ifindex = t->f->ifindex;
	r->section = t->f->port->section;
	r->label = o->label;
	r->vlan = t->f->vlan;
	r->channel = t->channel;
	r->reason = o->reason;
	r->has_label = o->has_label;
	r->stack = ETH_HLEN;
	r->depth = o->depth;
	r->entity = o->entity;
	r->ach = t->ach;
}

PUNT_RECORD(PUNT_SHORT, struct __sk_buff, bpf_skb_load_bytes)
PUNT_RECORD(PUNT_LONG, struct __sk_buff, bpf_skb_load_bytes)

// associated looks at the ACH of a frame: its channel, and whether the frame is one
// that a steady session expects.
static __always_inline int associated(struct __sk_buff *skb, const struct frame *f, const struct origin *o,
				      struct gach *g, __u64 now)
{
	struct steady_key k = { .label = o->label, .has_label = o->has_label, .reason = o->reason };
	__u32 octets[STEADY_WORDS];

	if (bpf_skb_load_bytes(skb, o->ach, octets, sizeof(octets[0])))
		return 0;
	channel_of(g, bpf_ntohl(octets[0]));
	if (!g->counts)
		return 0;
	g->counts->received++;
	return g->steady && !bpf_skb_load_bytes(skb, o->ach, octets, sizeof(octets)) &&
	       consume(g, &k, f->ifindex, f->vlan, octets, now);
}

// punt_frame copies a frame to user space, as far as the buckets allow, unless it
// is one that a steady session expects.
static __noinline int punt_frame(struct __sk_buff *skb, const struct frame *f, const struct origin *o)
{
	__u32 ev, id = f->port->section, reason = o->reason;
	struct section *s = bpf_map_lookup_elem(&sections, &id);
	struct told t = { .f = f, .o = o };
	struct gach g = {};

	if (!s || reason >= PUNT_REASONS)
		return TC_ACT_UNSPEC;
	t.now = bpf_ktime_get_ns();
	if (reason == PUNT_TTL)
		s->expired++;
	if (o->ach && associated(skb, f, o, &g, t.now)) {
		g.counts->consumed++;
		return TC_ACT_UNSPEC;
	}
	ev = admit(admit_meg(f, o, t.now), &g, &s->bucket[reason], reason, t.now);
	if (ev != EV_PUNTED) {
		if (g.counts)
			g.counts->limited++;
	} else {
		if (g.counts) {
			t.channel = g.type;
			t.ach = o->ach;
		}
		ev = skb->len <= PUNT_SHORT ? punt_PUNT_SHORT(skb, skb->len, &t) : punt_PUNT_LONG(skb, skb->len, &t);
	}
	if (ev == EV_PUNTED) {
		if (g.counts)
			g.counts->punted++;
		ev += reason;
	}
	count_event(ev);
	return TC_ACT_UNSPEC;
}

// kind_of looks a label up in the section's own space, if it has one, or in that
// of the platform.
static __always_inline __u32 kind_of(const struct port *p, __u32 label, __u32 *space)
{
	__u32 line = label / 64;
	struct label_line *l;

	*space = 0;
	if (p->space) {
		struct label_key k = { .space = p->space, .label = label };
		__u32 *kind = bpf_map_lookup_elem(&space_labels, &k);

		*space = p->space;
		return kind ? *kind : 0;
	}
	l = bpf_map_lookup_elem(&labels, &line);
	return l ? l->kind[label & 63] : 0;
}

// word_at reads a word of the frame; ok is false behind its end.
static __always_inline __u32 word_at(struct __sk_buff *skb, __u32 off, int *ok)
{
	__be32 w = 0;

	*ok = !bpf_skb_load_bytes(skb, off, &w, sizeof(w));
	return bpf_ntohl(w);
}

// GO_PUNT is returned instead of a verdict where a frame is to be punted, as the
// origin says. There is one place that does it, so that the verifier looks at it
// once.
#define GO_PUNT 100

// pseudowire looks at what came with the label v of a pseudowire, below which
// is the word at offset off.
static __always_inline int pseudowire(struct __sk_buff *skb, struct origin *o, __u32 kind, __u32 v, __u32 off)
{
	int room, s = v >> 8 & 1;
	__u32 below = word_at(skb, off, &room);

	o->entity = ENTITY_PW;
	o->ach = 0;
	// The channel below the GAL is found by its label, that below a control
	// word by its nibble (RFC 5586, RFC 4385 section 5).
	if (room && !s && below >> 12 == LABEL_GAL && below >> 8 & 1) {
		o->ach = off + 4;
		o->reason = PUNT_GAL;
	} else if (room && s && kind & LABEL_WORD && below >> 28 == 1) {
		o->ach = off;
		o->reason = PUNT_PW_ACH;
	}
	if (o->ach && !(kind & LABEL_JOIN))
		return GO_PUNT;
	if ((v & 255) > 1)
		return TC_ACT_UNSPEC;
	o->reason = PUNT_TTL;
	return GO_PUNT;
}

// special looks at a special-purpose label that ends the work on the stack.
// What the filters count as a drop is left to them.
static __always_inline int special(struct __sk_buff *skb, struct frame *f, struct origin *o, __u32 v, __u32 off)
{
	int room, s = v >> 8 & 1;
	__u32 label = v >> 12;

	if (label == LABEL_GAL && s) {
		// RFC 5586 section 4.2.1: the ACH follows; section 4.1: on top for a
		// section.
		word_at(skb, off + 4, &room);
		if (!room || (o->depth && !o->has_label))
			return drop(f, EV_MALFORMED);
		o->entity = o->has_label ? ENTITY_LSP : ENTITY_SECTION;
		o->ach = off + 4;
		o->reason = PUNT_GAL;
		return GO_PUNT;
	}
	o->label = label;
	o->has_label = 1;
	o->entity = ENTITY_NONE;
	o->space = 0;
	o->ach = 0;
	if (label == LABEL_ROUTER_ALERT && !s)
		o->reason = PUNT_ROUTER_ALERT;
	else if ((label == LABEL_IPV4_NULL || label == LABEL_IPV6_NULL) && (v & 255) <= 1)
		o->reason = PUNT_TTL;
	else
		return TC_ACT_UNSPEC;
	return GO_PUNT;
}

static __always_inline int same_mac(const __u8 *a, const __u8 *b)
{
	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) | (a[5] ^ b[5]));
}

// look works down the label stack as far as labels end here.
static __always_inline int look(struct __sk_buff *skb, struct frame *f, struct origin *o)
{
	__u32 depth, off = ETH_HLEN, above = 0, above_space = 0, has_above = 0;

	for (depth = 0; depth < MAX_RECEIVE; depth++) {
		__u32 v, next, label, kind, space;
		int ok, gal_next;

		v = word_at(skb, off, &ok);
		label = v >> 12;
		if (f->port->flags & PORT_BLOCKED && (!ok || label != LABEL_GAL))
			return TC_ACT_UNSPEC;
		if (!ok)
			return drop(f, depth ? EV_NO_BOTTOM : EV_SHORT);
		if (label < LABEL_MIN) {
			if ((label == LABEL_IPV4_NULL || label == LABEL_IPV6_NULL) && (v & 255) > 1) {
				if (v & 1 << 8)
					return TC_ACT_UNSPEC;
				off += 4;
				has_above = 0; // nobody's G-ACh can be below an explicit null
				continue;
			}
			o->depth = depth;
			o->label = has_above ? above : 0;
			o->space = has_above ? above_space : 0;
			o->has_label = has_above;
			return special(skb, f, o, v, off);
		}
		kind = kind_of(f->port, label, &space);
		if (!kind)
			return TC_ACT_UNSPEC;
		if (kind & LABEL_PW) {
			o->depth = depth;
			o->label = label;
			o->has_label = 1;
			o->space = space;
			return pseudowire(skb, o, kind, v, off + 4);
		}
		next = word_at(skb, off + 4, &ok);
		gal_next = ok && !(v & 1 << 8) && next >> 12 == LABEL_GAL;
		// OAM of an LSP that ends here reaches its MEP also while users are
		// not taken, and with whatever TTL it arrives.
		if (!gal_next || !(kind & LABEL_ENDS) || (kind & LABEL_LOOP && (v & 255) > 1)) {
			int expired = (v & 255) <= 1;

			// The MEP of a bud node is here.
			if (expired || (!(kind & LABEL_LOOP) && kind & LABEL_BUD && gal_next && !(kind & LABEL_HELD))) {
				o->depth = depth + !expired;
				o->label = label;
				o->has_label = 1;
				o->space = space;
				o->entity = ENTITY_LSP;
				o->ach = gal_next && next & 1 << 8 ? off + 8 : 0;
				o->reason = expired ? PUNT_TTL : PUNT_GAL;
				return GO_PUNT;
			}
			if (kind & LABEL_LOOP || !(kind & LABEL_ENDS) || kind & LABEL_HELD || v & 1 << 8)
				return TC_ACT_UNSPEC;
		}
		above = label;
		above_space = space;
		has_above = 1;
		off += 4;
	}
	return drop(f, EV_TOO_DEEP);
}

SEC("tc")
int tandem_tap(struct __sk_buff *skb)
{
	static const __u8 multicast[6] = { 0x01, 0x00, 0x5e, 0x90, 0x00, 0x00 };
	struct port_key key = { .ifindex = skb->ifindex };
	struct frame f = { .ifindex = skb->ifindex };
	struct origin o = {};
	int verdict;
	__u8 to[6];

	if (skb->protocol != bpf_htons(ETH_P_MPLS_UC))
		return TC_ACT_UNSPEC;
	if (skb->vlan_present) {
		if (skb->vlan_proto != bpf_htons(ETH_P_8021Q))
			return TC_ACT_UNSPEC;
		key.vlan = skb->vlan_tci & 0xfff;
		f.vlan = key.vlan;
	}
	f.port = bpf_map_lookup_elem(&ports, &key);
	if (!f.port || f.port->flags & PORT_DOWN || bpf_skb_load_bytes(skb, 0, to, sizeof(to)))
		return TC_ACT_UNSPEC;
	if (!same_mac(to, f.port->own) && !same_mac(to, multicast))
		return TC_ACT_UNSPEC;
	verdict = look(skb, &f, &o);
	return verdict == GO_PUNT ? punt_frame(skb, &f, &o) : verdict;
}
