// The tables of the tap, beside those of punts.h.
#pragma once

#include "../../../punt/bpf/punts.h"

enum event {
	EV_MALFORMED = 0,
	EV_SHORT,
	EV_NO_BOTTOM,
	EV_TOO_DEEP,
	EV_INTERNAL,
	EV_PUNT_LIMITED,
	EV_PUNT_FULL,
	EV_PUNT_CHANNEL,
	EV_PUNT_MEG,
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
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EVENTS);
	__type(key, __u32);
	__type(value, __u64);
} events SEC(".maps");
