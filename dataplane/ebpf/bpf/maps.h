// The layout that the programs and the Go side share. bpf2go makes Go types of
// the structs named in generate.go. A change here needs a new schema version
// (pins.go): running processes have these maps pinned.
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "maps_oam.h"

// The deepest stack imposed in one operation and the deepest one read.
#define MAX_IMPOSE 6
#define MAX_RECEIVE 12

#define MAX_LABELS (1 << 20)
#define DEFAULT_LSPS (1 << 16)
#define DIRECT_PORTS 4096
#define MAX_PREFIXES (1 << 17)

enum operation {
	OP_NONE = 0,
	OP_IMPOSE = 1,
	OP_SWAP = 2,
	OP_POP = 3,
	OP_POP_IMPOSE = 4,
	OP_POP_LOOKUP = 5,
};

enum lsp_flag {
	LSP_DOWN = 1,
	LSP_SHORT_PIPE = 2,
};

enum section_flag {
	SECTION_DOWN = 1,
	SECTION_OWN_SPACE = 2,
};

enum event {
	EV_MALFORMED = 0,   // stack cut short, without bottom, or a GAL or router alert where none may be
	EV_TOO_DEEP,        // more than MAX_RECEIVE labels
	EV_NO_LABEL,        // incoming label unknown
	EV_FOREIGN_MAC,     // sent to another station
	EV_SECTION_DOWN,    // taken from or to be sent on a section that is down
	EV_LSP_DOWN,        // LSP administratively down
	EV_TTL,             // time to live expired (punted as the rate allows)
	EV_PAYLOAD,         // nothing this node can deliver is below the stack
	EV_MTU,             // longer than the outgoing section takes
	EV_PUNT_LIMITED,    // not punted: over the rate of its section and reason
	EV_PUNT_FULL,       // not punted: ring buffer full
	EV_NO_PREFIX,       // sent to the impose device without a matching prefix
	EV_INTERNAL,        // tables inconsistent or no headroom
	EV_PUNT_CHANNEL,    // not punted: over the rate of its channel type
	EV_PUNT_MEG,        // not punted: over the rate of its MEG
	EV_BLOCKED,         // user traffic of a path that is blocked
	EV_PUNTED,          // first of PUNT_REASONS counters of frames punted
	EV_MAX = EV_PUNTED + PUNT_REASONS,
};

// An interface, or a VLAN on one, that a section uses.
struct port_key {
	__u32 ifindex;
	__u32 vlan;
};

struct section {
	__u64 name; // FNV-1a of the name: tells an adopting process whose it is
	__u64 since; // Unix nanoseconds at which the counters started
	__u32 ifindex;
	__u16 vlan;
	__u16 mtu; // octets behind the Ethernet header and the VLAN tag
	__u8 own[6];
	__u8 peer[6];
	__u8 flags;
	__u8 pad[3];
};

struct label_key {
	__u32 section;
	__u32 label;
};

// One LSP. lse holds label, TC and TTL in place, S clear; of OP_SWAP the last
// one has TTL 0, because the packet's own is put in.
struct lsp {
	__u64 name;
	__u64 since;
	__u32 generation;
	__u32 in_label;
	__u32 in_section; // 0: the per-platform label space
	__u32 out;        // section
	__u32 counter;
	__u8 op;
	__u8 flags;
	__u8 n;      // labels imposed
	__u8 tc_set; // bit i: lse[i] has its own TC
	__u32 lse[MAX_IMPOSE];
};

struct prefix4_key {
	__u32 length;
	__u8 address[4];
};

struct prefix6_key {
	__u32 length;
	__u8 address[16];
};

struct counters {
	__u64 in_packets, in_octets;
	__u64 out_packets, out_octets;
	__u64 in_drops, out_drops;
};

// Which section a frame is of: by interface where it is untagged and the index
// is low, which most are, for the hash is the dearest look-up of all.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, DIRECT_PORTS);
	__type(key, __u32);
	__type(value, __u32);
} direct_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SECTIONS);
	__type(key, struct port_key);
	__type(value, __u32);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SECTIONS);
	__type(key, __u32);
	__type(value, struct section);
} sections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_SECTIONS);
	__type(key, __u32);
	__type(value, struct counters);
} section_counters SEC(".maps");

// The per-platform label space: label to LSP, 0 for none. An array, because a
// hash costs a cache miss more per packet once it is large. It and the table of
// LSPs are mapped into memory by audits: a batch read of a million takes 0.3 s.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_LABELS);
	__type(key, __u32);
	__type(value, __u32);
} platform_labels SEC(".maps");

// The per-interface label spaces.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_LABELS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct label_key);
	__type(value, __u32);
} section_labels SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, DEFAULT_LSPS);
	__type(key, __u32);
	__type(value, struct lsp);
} lsps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DEFAULT_LSPS);
	__type(key, __u32);
	__type(value, struct counters);
} lsp_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_PREFIXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix4_key);
	__type(value, __u32);
} prefixes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAX_PREFIXES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix6_key);
	__type(value, __u32);
} prefixes6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EV_MAX);
	__type(key, __u32);
	__type(value, __u64);
} events SEC(".maps");
