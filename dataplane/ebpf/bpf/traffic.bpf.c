// A generator and a sink of frames, for measurements and for proofs that nothing
// is lost. They share nothing with the programs under test.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define WORDS 16

// Indexes of tally.
enum { MADE, SUNK, SUNK_OCTETS, STRANGE, TALLIES };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TALLIES);
	__type(key, __u32);
	__type(value, __u64);
} tally SEC(".maps");

volatile const __u32 gen_ifindex = 0;
volatile const __u64 gen_head[WORDS] = {};
volatile const __u32 gen_words = 7; // of gen_head: 7 to WORDS
// The top label is one of gen_labels, at random: number i is 16 + i *
// gen_stride mod 1048560. 0: as it is in gen_head.
volatile const __u32 gen_labels = 0;
volatile const __u32 gen_stride = 1;
// The destination of an IPv4 packet without options is one of gen_hosts behind
// the one of gen_head, at random; the checksum is made right. 0: as it is.
volatile const __u32 gen_hosts = 0;
// What the sink takes for its own: frames of this ethertype (network order); 0: all.
volatile const __u16 sink_type = 0;

static __always_inline void count(__u32 what, __u64 n)
{
	__u64 *c = bpf_map_lookup_elem(&tally, &what);

	if (c)
		*c += n;
}

// traffic_generate makes live frames, which keep what was done to them the last
// time, new again, and sends them.
SEC("xdp")
int traffic_generate(struct xdp_md *ctx)
{
	__u64 *d = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	int i;

	if ((void *)(d + 7) > end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < 7; i++)
		d[i] = gen_head[i];
	if (gen_words > 7) {
#pragma unroll
		for (i = 7; i < WORDS; i++) {
			if ((void *)(d + i + 1) > end)
				break;
			d[i] = gen_head[i];
		}
	}
	if (gen_labels) {
		__be32 *lse = (void *)d + ETH_HLEN;
		__u32 n = bpf_get_prandom_u32() % gen_labels;

		*lse = bpf_htonl((16 + (__u32)((__u64)n * gen_stride % 1048560)) << 12 | 1 << 8 | 64);
	}
	if (gen_hosts) {
		__be16 *ip = (void *)d + ETH_HLEN;
		__u32 sum = (__u16)~bpf_ntohs(ip[5]);
		__u32 n = (bpf_ntohs(ip[8]) << 16 | bpf_ntohs(ip[9])) + bpf_get_prandom_u32() % gen_hosts;

		// RFC 1624: the old words out, the new ones in.
		sum += (__u16)~bpf_ntohs(ip[8]) + (__u16)~bpf_ntohs(ip[9]) + (n >> 16) + (n & 0xffff);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		ip[5] = bpf_htons(~sum);
		ip[8] = bpf_htons(n >> 16);
		ip[9] = bpf_htons(n);
	}
	count(MADE, 1);
	return bpf_redirect(gen_ifindex, 0);
}

SEC("xdp")
int traffic_sink(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	if (sink_type && eth->h_proto != sink_type) {
		count(STRANGE, 1);
		return XDP_DROP;
	}
	count(SUNK, 1);
	count(SUNK_OCTETS, ctx->data_end - ctx->data);
	return XDP_DROP;
}

SEC("xdp")
int traffic_pass(struct xdp_md *ctx __attribute__((unused)))
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
