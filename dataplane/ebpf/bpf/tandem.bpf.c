// The data plane of Tandem: label switching by XDP. stack.h is the way in,
// relay.bpf.h that of IP clients, send.h the way out.
#include "stack.h"
#include "relay.bpf.h"

// tandem_section runs on every interface that a section uses.
SEC("xdp")
int tandem_section(struct xdp_md *ctx)
{
	return receive(ctx);
}

// tandem_attachment runs on every interface that has attachment circuits; there
// may be sections on other VLANs of it.
SEC("xdp")
int tandem_attachment(struct xdp_md *ctx)
{
	int verdict = attachment(ctx, ctx->ingress_ifindex);

	return verdict == NO_CIRCUIT ? receive(ctx) : finish(ctx, verdict);
}

// tandem_impose runs on the far end of the impose device.
SEC("xdp")
int tandem_impose(struct xdp_md *ctx)
{
	return imposed(ctx);
}

// tandem_relay runs behind both, at the tc ingress hook.
SEC("tc")
int tandem_relay(struct __sk_buff *skb)
{
	return relay_frame(skb);
}

// Keeps the type of the records in the object, for the reader in Go.
const struct punt *punt_record_type __attribute__((unused));

char LICENSE[] SEC("license") = "GPL";
