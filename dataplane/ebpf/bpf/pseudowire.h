// Pseudowires, the way out: numbers, labels, switching points. client.h and
// arrival.h are above.
#pragma once

#include "packet.h"
#include "send.h"

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
