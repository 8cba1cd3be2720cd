// Programs of the benchmarks: the forwarding in a wrapper that undoes it, so
// that a repeated run sees the same frame, a generator and a sink.
#include "stack.h"
#include "relay.bpf.h"

#define SAVED 40

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} sunk SEC(".maps");

struct saved {
	__u64 head[SAVED / 8];
};

static __always_inline int save(struct xdp_md *ctx, struct saved *s)
{
	__u64 *d = (void *)(long)ctx->data;

	if ((void *)d + SAVED > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(s->head, d, SAVED);
	return 0;
}

static __always_inline int restore(struct xdp_md *ctx, struct saved *s, int delta)
{
	void *d;

	if (delta && bpf_xdp_adjust_head(ctx, delta))
		return -1;
	d = (void *)(long)ctx->data;
	if (d + SAVED > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(d, s->head, SAVED);
	return 0;
}

static __always_inline __u32 length(struct xdp_md *ctx)
{
	__u32 n = ctx->data_end - ctx->data;

	/* The verifier lets nothing be added to a pointer that is subtracted. */
	asm volatile("" : "+r"(n));
	return n;
}

SEC("xdp")
int bench_section(struct xdp_md *ctx)
{
	__u32 before = length(ctx);
	struct saved s;
	int verdict;

	if (save(ctx, &s))
		return XDP_ABORTED;
	verdict = receive(ctx);
	if (restore(ctx, &s, (int)length(ctx) - (int)before))
		return XDP_ABORTED;
	return verdict;
}

SEC("xdp")
int bench_impose(struct xdp_md *ctx)
{
	__u32 before = length(ctx);
	struct saved s;
	int verdict;

	if (save(ctx, &s))
		return XDP_ABORTED;
	verdict = imposed(ctx);
	if (restore(ctx, &s, (int)length(ctx) - (int)before))
		return XDP_ABORTED;
	return verdict;
}

// What the wrapper costs: nothing moved, or the head moved back.
SEC("xdp")
int bench_wrapper(struct xdp_md *ctx)
{
	struct saved s;

	if (save(ctx, &s) || restore(ctx, &s, 0))
		return XDP_ABORTED;
	return XDP_DROP;
}

SEC("xdp")
int bench_wrapper_move(struct xdp_md *ctx)
{
	struct saved s;

	if (save(ctx, &s) || bpf_xdp_adjust_head(ctx, -4) || restore(ctx, &s, 4))
		return XDP_ABORTED;
	return XDP_DROP;
}

volatile const __u32 gen_ifindex = 0;
volatile const __u64 gen_head[7] = {};
volatile const __u32 gen_labels = 0;

// bench_generate makes live frames, which keep what was done to them the last
// time, new again, with a label of gen_labels at random, and sends them.
SEC("xdp")
int bench_generate(struct xdp_md *ctx)
{
	__u64 *d = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	int i;

	if ((void *)(d + 7) > end)
		return XDP_ABORTED;
#pragma unroll
	for (i = 0; i < 7; i++)
		d[i] = gen_head[i];
	if (gen_labels) {
		__be32 *lse = (void *)d + ETH_HLEN;

		*lse = bpf_htonl((LABEL_MIN + bpf_get_prandom_u32() % gen_labels) << 12 | 1 << 8 | 64);
	}
	return bpf_redirect(gen_ifindex, 0);
}

SEC("xdp")
int bench_sink(struct xdp_md *ctx)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&sunk, &zero);

	if (n)
		(*n)++;
	return XDP_DROP;
}

SEC("xdp")
int bench_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
