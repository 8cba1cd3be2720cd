// The tables of the punts: what goes from the programs to OAM. Part of the
// pinned layout, see maps.h.
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAX_SECTIONS 4096

// Bytes of a frame that a punt record carries. Nearly every G-ACh frame is
// short; the two sizes, powers of two, keep the ring from being filled with
// empty space.
#define PUNT_SHORT 256
#define PUNT_LONG 2048

enum punt_reason {
	PUNT_GAL = 0,
	PUNT_TTL = 1,
	PUNT_ROUTER_ALERT = 2,
	PUNT_RESERVED = 3,
	PUNT_PW_ACH = 4,
	PUNT_REASONS = 5,
};

// A token bucket: cost nanoseconds of credit buy one punt.
struct limit {
	__u64 cost;
	__u64 burst;
};

struct bucket {
	__u64 time;
	__u64 credit;
};

// The head of a punt record; the frame follows.
struct punt {
	__u64 time; // CLOCK_MONOTONIC
	__u32 ifindex;
	__u32 section;
	__u32 label;  // of the LSP the frame belongs to, or the offending label
	__u32 length; // of the frame; captured is what follows of it
	__u16 captured;
	__u8 reason;
	__u8 has_label;
	__u8 stack; // offset of the label stack
	__u8 depth; // labels above the one that led to the punt
	__u16 vlan;
	__u64 packets, octets; // received on the LSP so far, all CPUs
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PUNT_REASONS);
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_SECTIONS * PUNT_REASONS);
	__type(key, __u32);
	__type(value, struct bucket);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} punts SEC(".maps");
