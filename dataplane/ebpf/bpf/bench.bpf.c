// Programs of the benchmarks: the forwarding in a wrapper that undoes it, so
// that a repeated run sees the same frame.
#include "stack.h"
#include "relay.bpf.h"

#define SAVED 40

struct saved {
	__u64 head[SAVED / 8];
};

// Not on the stack, of which the programs need nearly all.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct saved);
} bench_saved SEC(".maps");

static __always_inline int save(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct saved *s = bpf_map_lookup_elem(&bench_saved, &zero);
	__u64 *d = (void *)(long)ctx->data;

	if (!s || (void *)d + SAVED > (void *)(long)ctx->data_end)
		return -1;
	__builtin_memcpy(s->head, d, SAVED);
	return 0;
}

static __always_inline int restore(struct xdp_md *ctx, int delta)
{
	__u32 zero = 0;
	struct saved *s = bpf_map_lookup_elem(&bench_saved, &zero);
	void *d;

	if (!s || (delta && bpf_xdp_adjust_head(ctx, delta)))
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
	int verdict;

	if (save(ctx))
		return XDP_ABORTED;
	verdict = receive(ctx);
	if (restore(ctx, (int)length(ctx) - (int)before))
		return XDP_ABORTED;
	return verdict;
}

SEC("xdp")
int bench_attachment(struct xdp_md *ctx)
{
	__u32 before = length(ctx);
	int verdict;

	if (save(ctx))
		return XDP_ABORTED;
	verdict = finish(ctx, attachment(ctx, ctx->ingress_ifindex));
	if (restore(ctx, (int)length(ctx) - (int)before))
		return XDP_ABORTED;
	return verdict;
}

// With one of bench_labels labels at random, as those of traffic.bpf.c.
volatile const __u32 bench_labels = 0;
volatile const __u32 bench_stride = 1;

static __always_inline int randomize(struct xdp_md *ctx)
{
	__be32 *lse = (void *)(long)ctx->data + ETH_HLEN;
	__u32 n = bpf_get_prandom_u32();

	if ((void *)(lse + 1) > (void *)(long)ctx->data_end)
		return -1;
	if (bench_labels)
		n %= bench_labels;
	*lse = bpf_htonl((LABEL_MIN + (__u32)((__u64)n * bench_stride % 1048560)) << 12 | 1 << 8 | 64);
	return 0;
}

SEC("xdp")
int bench_section_random(struct xdp_md *ctx)
{
	int verdict;

	if (randomize(ctx) || save(ctx))
		return XDP_ABORTED;
	verdict = receive(ctx);
	return restore(ctx, 0) ? XDP_ABORTED : verdict;
}

SEC("xdp")
int bench_wrapper_random(struct xdp_md *ctx)
{
	if (randomize(ctx) || save(ctx) || restore(ctx, 0))
		return XDP_ABORTED;
	return XDP_DROP;
}

SEC("xdp")
int bench_impose(struct xdp_md *ctx)
{
	__u32 before = length(ctx);
	int verdict;

	if (save(ctx))
		return XDP_ABORTED;
	verdict = imposed(ctx);
	if (restore(ctx, (int)length(ctx) - (int)before))
		return XDP_ABORTED;
	return verdict;
}

// What the wrapper costs: nothing moved, or the head moved back.
SEC("xdp")
int bench_wrapper(struct xdp_md *ctx)
{
	if (save(ctx) || restore(ctx, 0))
		return XDP_ABORTED;
	return XDP_DROP;
}

SEC("xdp")
int bench_wrapper_move(struct xdp_md *ctx)
{
	if (save(ctx) || bpf_xdp_adjust_head(ctx, -4) || restore(ctx, 4))
		return XDP_ABORTED;
	return XDP_DROP;
}

// What a record costs that holds nothing but the time: the least of a punt.
SEC("xdp")
int bench_record(struct xdp_md *ctx)
{
	struct {
		struct punt head;
		__u8 frame[PUNT_SHORT];
	} *r;

	if (save(ctx))
		return XDP_ABORTED;
	r = bpf_ringbuf_reserve(&punts, sizeof(*r), 0);
	if (!r)
		return XDP_ABORTED;
	r->head.time = bpf_ktime_get_ns();
	bpf_ringbuf_submit(r, 0);
	return restore(ctx, 0) ? XDP_ABORTED : XDP_DROP;
}

// A frame of len octets at the time now, for the policer of service 1.
struct policed {
	__u64 now;
	__u32 len;
	__u32 colour; // of the answer
};

// bench_police runs the policer on frames that are described, at times that the
// test chooses.
SEC("xdp")
int bench_police(struct xdp_md *ctx)
{
	struct policed *f = (void *)(long)ctx->data;
	__u32 one = 1;
	struct service *sv = bpf_map_lookup_elem(&services, &one);
	struct policer *p = bpf_map_lookup_elem(&policers, &one);

	if ((void *)(f + 1) > (void *)(long)ctx->data_end || !sv || !p)
		return XDP_ABORTED;
	f->colour = police(p, sv, f->len, f->now);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
