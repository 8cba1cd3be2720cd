// The tap: it looks at labelled frames before the kernel's own filters and
// routes do, copies those that are OAM's into a ring, and leaves all of them to
// the kernel, but stacks that the kernel could not tell apart from others.
#include "maps.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>

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

// spend takes a token from a bucket.
static __always_inline int spend(struct bucket *b, __u32 limit, __u64 now)
{
	struct limit *l = bpf_map_lookup_elem(&limits, &limit);
	__u64 credit;

	if (!l)
		return 0;
	credit = b->credit + (now - b->time);
	if (credit > l->burst)
		credit = l->burst;
	b->time = now;
	if (credit < l->cost) {
		b->credit = credit;
		return 0;
	}
	b->credit = credit - l->cost;
	return 1;
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

#define PUNT_RECORD(SIZE)                                                                   \
	static __always_inline __u32 punt_##SIZE(struct __sk_buff *skb, const struct punt *head) \
	{                                                                                    \
		struct {                                                                     \
			struct punt head;                                                    \
			__u8 frame[SIZE];                                                    \
		} *r = bpf_ringbuf_reserve(&punts, sizeof(*r), 0);                           \
		__u64 n = head->length > SIZE ? SIZE : head->length;                         \
                                                                                             \
		if (!r)                                                                      \
			return EV_FULL;                                                      \
		r->head = *head;                                                             \
		r->head.captured = n;                                                        \
		/* 1..SIZE, so that the verifier sees it. */                                 \
		n -= 1;                                                                      \
		asm volatile("%0 &= %1" : "+r"(n) : "i"(SIZE - 1));                          \
		n += 1;                                                                      \
		if (bpf_skb_load_bytes(skb, 0, r->frame, n)) {                               \
			bpf_ringbuf_discard(r, 0);                                           \
			return EV_MALFORMED;                                                 \
		}                                                                            \
		bpf_ringbuf_submit(r, 0);                                                    \
		return EV_PUNTED + (head->reason < PUNT_REASONS ? head->reason : 0);         \
	}

PUNT_RECORD(PUNT_SHORT)
PUNT_RECORD(PUNT_LONG)

// channel_of finds the counters of the channel type of an ACH.
static __always_inline struct channel *channel_of(__u32 ach, __u16 *type, __u32 *slot)
{
	struct slot_table *s;
	__u32 zero = 0;

	if (ach >> 28 != 1)
		return NULL; // RFC 4385 section 5: an ACH begins with nibble 1
	*type = ach;
	s = bpf_map_lookup_elem(&channel_slots, &zero);
	if (!s)
		return NULL;
	*slot = s->slot[*type];
	return bpf_map_lookup_elem(&channels, slot);
}

// punt_frame copies a frame to user space, as far as the buckets allow.
static __noinline int punt_frame(struct __sk_buff *skb, const struct frame *f, const struct origin *o)
{
	struct channel *ch = NULL;
	__u32 ev, slot = 0, id = f->port->section, reason = o->reason;
	struct section *s = bpf_map_lookup_elem(&sections, &id);
	struct punt head = {};
	__be32 ach;

	if (!s || reason >= PUNT_REASONS)
		return TC_ACT_UNSPEC;
	head.time = bpf_ktime_get_ns();
	if (reason == PUNT_TTL)
		s->expired++;
	if (o->ach && !bpf_skb_load_bytes(skb, o->ach, &ach, sizeof(ach))) {
		ch = channel_of(bpf_ntohl(ach), &head.channel, &slot);
		if (ch) {
			ch->received++;
			head.ach = o->ach;
		}
	}
	ev = EV_PUNTED;
	if (!admit_meg(f, o, head.time))
		ev = EV_MEG_LIMITED;
	else if (ch && !spend(&ch->bucket, LIMIT_CHANNEL + slot, head.time))
		ev = EV_CHANNEL_LIMITED;
	else if (!spend(&s->bucket[reason], reason, head.time)) // Per CPU: no lock.
		ev = EV_RATE;
	if (ev != EV_PUNTED) {
		if (ch)
			ch->limited++;
		count_event(ev);
		return TC_ACT_UNSPEC;
	}
	head.ifindex = f->ifindex;
	head.section = id;
	head.label = o->label;
	head.length = skb->len;
	head.reason = o->reason;
	head.has_label = o->has_label;
	head.entity = o->entity;
	head.stack = ETH_HLEN;
	head.depth = o->depth;
	head.vlan = f->vlan;
	if (head.length <= PUNT_SHORT)
		ev = punt_PUNT_SHORT(skb, &head);
	else
		ev = punt_PUNT_LONG(skb, &head);
	count_event(ev);
	if (ev >= EV_PUNTED && ch)
		ch->punted++;
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
