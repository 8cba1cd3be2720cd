// The policer of a service: two rates, three colours, colour blind (RFC 4115).
#pragma once

#include "maps_client.h"

// One octet of a frame in the unit of the buckets, 1e-9 bit.
#define OCTET 8000000000ULL

// refill is what a bucket holds after dt nanoseconds. Nothing overflows: what
// comes is only reckoned while it is less than a whole bucket.
static __always_inline __u64 refill(__u64 tokens, const struct rate *r, __u64 dt)
{
	__u64 more;

	if (tokens > r->burst) // the burst has become smaller
		tokens = r->burst;
	if (dt >= r->fill)
		return r->burst;
	more = r->rate * dt;
	return more >= r->burst - tokens ? r->burst : tokens + more;
}

// police takes a frame of len octets at the time now, which need not be in
// order between CPUs, and tells its colour. Both buckets are of the service,
// not of a CPU, so that the rate holds whatever the number of queues.
static __always_inline enum colour police(struct policer *p, const struct service *sv, __u32 len, __u64 now)
{
	__u64 cost = len * OCTET, dt = 0, c, e;
	enum colour colour = RED;

	bpf_spin_lock(&p->lock);
	if (!p->time) {
		c = sv->committed.burst;
		e = sv->excess.burst;
		p->time = now;
	} else {
		if (now > p->time) {
			dt = now - p->time;
			p->time = now;
		}
		c = refill(p->committed, &sv->committed, dt);
		e = refill(p->excess, &sv->excess, dt);
	}
	if (c >= cost) {
		c -= cost;
		colour = GREEN;
	} else if (e >= cost) {
		e -= cost;
		colour = YELLOW;
	}
	p->committed = c;
	p->excess = e;
	bpf_spin_unlock(&p->lock);
	return colour;
}
