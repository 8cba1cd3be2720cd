// What every part of the programs needs of a packet: names of the wire, what is
// known of the packet under way, counting and dropping.
#pragma once

#include "maps.h"

#define P_MPLS bpf_htons(0x8847)
#define P_VLAN bpf_htons(ETH_P_8021Q)
#define P_QINQ bpf_htons(ETH_P_8021AD)
#define P_IP bpf_htons(ETH_P_IP)
#define P_IPV6 bpf_htons(ETH_P_IPV6)

#define LABEL_IPV4_NULL 0
#define LABEL_ROUTER_ALERT 1
#define LABEL_IPV6_NULL 2
#define LABEL_IMPLICIT_NULL 3
#define LABEL_ELI 7
#define LABEL_GAL 13
#define LABEL_EXTENSION 15
#define LABEL_MIN 16

// bound tells the verifier what it forgets of an offset that was in memory: no
// offset is above ETH_HLEN + 4 + 4 * (MAX_RECEIVE + 1). In assembly, or the
// compiler, which knows, leaves it out.
#define bound(off) asm volatile("%0 &= 127" : "+r"(off))

// Of a frame, and of addresses in the tables: what is packed would be read and
// written octet by octet.
typedef __u32 __attribute__((may_alias)) word;
typedef __u16 __attribute__((may_alias)) half;

static __always_inline int same_mac(const void *a, const void *b)
{
	return *(word *)a == *(word *)b && *(half *)(a + 4) == *(half *)(b + 4);
}

// What is known of the packet under way.
struct packet {
	struct section *sec;   // it came in on
	struct counters *secc; // of sec
	struct section *host;  // whose address the host's IP stack takes
	__u32 section;
	__u32 len;
	__u32 stack; // offset of the label stack, or of the IP header
	__u32 ifindex;
	__u16 vlan;
	struct lsp *lsp; // of the top label, where that is known
};

// section_of returns the body in use of a section.
static __always_inline struct section *section_of(__u32 id)
{
	struct section_slot *s = bpf_map_lookup_elem(&sections, &id);

	return s ? &s->body[s->current & 1] : NULL;
}

// section_on tells which section an interface, or a VLAN on it, is of; 0: none. The
// empty assembly keeps the compiler from making one look-up of the two, with a
// table that is known when it runs: a call through a pointer, where the verifier
// can put a look-up in an array in place.
static __always_inline __u32 section_on(__u32 ifindex, __u32 vlan)
{
	struct port_key port = { .ifindex = ifindex, .vlan = vlan };
	__u32 *id, section;

	if (!vlan && ifindex < DIRECT_PORTS) {
		id = bpf_map_lookup_elem(&direct_ports, &ifindex);
		section = id ? *id : 0;
		asm volatile("" : "+r"(section));
		return section;
	}
	id = bpf_map_lookup_elem(&ports, &port);
	return id ? *id : 0;
}

// this_cpu is where the counters of this CPU begin.
static __always_inline __u32 this_cpu(void)
{
	return bpf_get_smp_processor_id() * counters_per_cpu;
}

// counters_of returns counters on this CPU.
static __always_inline struct counters *counters_of(__u32 id)
{
	__u32 at = this_cpu() + id;

	return bpf_map_lookup_elem(&counter_table, &at);
}

// counters_at is counters_of for who asks more than once.
static __always_inline struct counters *counters_at(__u32 cpu, __u32 id)
{
	__u32 at = cpu + id;

	return bpf_map_lookup_elem(&counter_table, &at);
}

// put_addresses writes those of a frame that leaves by the section.
static __always_inline void put_addresses(void *frame, const struct section *s)
{
	word *to = frame, *from = (word *)s->peer;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
}

static __always_inline void count_event(__u32 ev)
{
	__u64 *n = bpf_map_lookup_elem(&events, &ev);

	if (n)
		(*n)++;
}

// drop_in counts a drop at the LSP that it happened to, or else at the section.
static __always_inline int drop_in(struct packet *p, struct counters *c, __u32 ev)
{
	count_event(ev);
	if (c)
		c->in_drops++;
	else if (p->secc)
		p->secc->in_drops++;
	return XDP_DROP;
}

// drop_out counts a drop at the LSP and at the section it was to leave by.
static __always_inline int drop_out(struct counters *c, struct counters *outc, __u32 ev)
{
	count_event(ev);
	if (outc)
		outc->out_drops++;
	c->out_drops++;
	return XDP_DROP;
}

// ip_protocol tells the ethertype of an IP payload at offset off, 0 if it is none.
static __always_inline __u16 ip_protocol(struct xdp_md *ctx, __u64 off)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u8 *b;

	bound(off);
	b = data + off;
	if ((void *)(b + 20) > end)
		return 0;
	if (*b >> 4 == 4)
		return (*b & 15) >= 5 ? P_IP : 0;
	if (*b >> 4 == 6 && (void *)(b + 40) <= end)
		return P_IPV6;
	return 0;
}
