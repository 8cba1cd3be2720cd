// The tables of the tap, and what it writes into the ring.
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAX_SECTIONS 4096

// Octets of a frame that a record carries: nearly every G-ACh frame is short.
// Two powers of two keep the ring from being filled with empty space.
#define PUNT_SHORT 256
#define PUNT_LONG 2048

enum reason {
	PUNT_GAL = 0,
	PUNT_TTL = 1,
	PUNT_ROUTER_ALERT = 2,
	PUNT_RESERVED = 3,
	PUNT_PW_ACH = 4,
	PUNT_REASONS = 5,
};

// What a punted frame belongs to.
enum entity {
	ENTITY_SECTION = 0,
	ENTITY_LSP = 1,
	ENTITY_PW = 2,
	ENTITY_NONE = 3,
};

// Channel types with counters and a bucket of their own; 0 is all others.
#define CHANNELS 64

// Limits: by reason, then the one of every MEG, then by channel type.
#define LIMIT_MEG PUNT_REASONS
#define LIMIT_CHANNEL (LIMIT_MEG + 1)
#define LIMITS (LIMIT_CHANNEL + CHANNELS)

enum event {
	EV_MALFORMED = 0,
	EV_SHORT,
	EV_NO_BOTTOM,
	EV_TOO_DEEP,
	EV_RATE,
	EV_FULL,
	EV_CHANNEL_LIMITED,
	EV_MEG_LIMITED,
	EV_PUNTED, // and one for each reason
	EVENTS = EV_PUNTED + PUNT_REASONS,
};

// What is known of a label.
#define LABEL_KNOWN 1
#define LABEL_ENDS 2   // the next label is looked up here
#define LABEL_HELD 4   // users are not taken: down, blocked, not selected
#define LABEL_BUD 8    // a copy is looked at here
#define LABEL_LOOP 16  // sent back
#define LABEL_PW 32    // of a pseudowire
#define LABEL_WORD 64  // with a control word
#define LABEL_JOIN 128 // switched to another segment, or sent back

struct port_key {
	__u32 ifindex;
	__u16 vlan;
	__u16 pad;
};

struct port {
	__u32 section; // 1..MAX_SECTIONS-1
	__u32 space;   // of its own; 0: that of the platform
	__u8 own[6];
	__u16 flags;
};

#define PORT_DOWN 1   // nothing is taken
#define PORT_PASSES 2 // the kernel takes any stack apart
#define PORT_BLOCKED 4 // nothing but the G-ACh of the section is taken

// The kinds of 64 labels: user space writes single octets of it.
struct label_line {
	__u8 kind[64];
};

struct label_key {
	__u32 space;
	__u32 label;
};

// A MEG: a label in its space, or a section.
struct meg_key {
	__u32 space;
	__u32 label;
	__u32 section;
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

// The G-ACh frames of one channel type on one CPU.
struct channel {
	struct bucket bucket;
	__u64 received, consumed, punted, limited;
};

struct slot_table {
	__u8 slot[1 << 16];
};

// The head of a record; the frame follows, without its VLAN tag.
struct punt {
	__u64 time; // CLOCK_MONOTONIC
	__u64 in_packets, in_octets;
	__u64 out_packets, out_octets;
	__u32 ifindex;
	__u32 section;
	__u32 label;  // of the LSP the frame belongs to, or the offending label
	__u32 length; // of the frame; captured is what follows of it
	__u16 captured;
	__u16 vlan;
	__u16 channel; // type, where ach is not 0
	__u8 reason;
	__u8 has_label;
	__u8 stack; // offset of the label stack
	__u8 depth; // labels above the one that led to the punt
	__u8 entity;
	__u8 ach; // offset of the ACH, 0: none
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SECTIONS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct port_key);
	__type(value, struct port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, (1 << 20) / 64);
	__type(key, __u32);
	__type(value, struct label_line);
} labels SEC(".maps");

// Labels in the spaces of interfaces.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 17);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct label_key);
	__type(value, __u32);
} space_labels SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMITS);
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps");

// What a section has on a CPU: a bucket for each reason, and how many TTLs have
// expired.
struct section {
	struct bucket bucket[PUNT_REASONS];
	__u64 expired;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_SECTIONS);
	__type(key, __u32);
	__type(value, struct section);
} sections SEC(".maps");

// One bucket for each MEG that has punted lately, made by the program. Shared
// by all CPUs without a lock: a race lets one frame more through.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct meg_key);
	__type(value, struct bucket);
} megs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct slot_table);
} channel_slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CHANNELS);
	__type(key, __u32);
	__type(value, struct channel);
} channels SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENTS);
	__type(key, __u32);
	__type(value, __u64);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} punts SEC(".maps");
