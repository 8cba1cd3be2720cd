// The tables of the punts: what goes from the programs to OAM. Both drivers'
// programs have these tables; the Go side is dataplane/punt. In the eBPF driver
// they are part of the pinned layout.
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAX_SECTIONS 4096

// Octets of a frame that a record carries. Nearly every G-ACh frame is short;
// the two sizes, powers of two, keep the ring from being filled with empty
// space.
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

// What a punted frame belongs to.
enum entity {
	ENTITY_SECTION = 0,
	ENTITY_LSP = 1,
	ENTITY_PW = 2,
	ENTITY_NONE = 3, // a label that is nobody's
};

// Channel types with counters and a bucket of their own; 0 is all others.
#define CHANNELS 64

// Limits: by reason, then the one of every MEG, then by channel type.
#define LIMIT_MEG PUNT_REASONS
#define LIMIT_CHANNEL (LIMIT_MEG + 1)
#define LIMITS (LIMIT_CHANNEL + CHANNELS)

// Steady sessions, and the octets that one compares: ACH and control packet.
#define MAX_STEADY (1 << 15)
#define STEADY_WORDS 7

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

// The slot of each channel type, and whether steady sessions may expect frames of
// it: on any section, on one section.
struct slot_table {
	__u8 slot[1 << 16];
};

#define SLOT(x) ((x) & (CHANNELS - 1))
#define STEADY_ANYWHERE 0x40
#define STEADY_SECTION 0x80

// The head of a record; the frame follows, without a VLAN tag where the kernel has
// taken it off. The counters are those of the LSP, pseudowire or section so far,
// of all CPUs, this frame included; 0 where the program has none.
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

// Where the frames of a session arrive: as a shard finds its MEG.
struct steady_key {
	__u32 ifindex; // 0: any section
	__u32 label;
	__u16 vlan;
	__u8 has_label;
	__u8 reason;
};

// What they look like from the ACH on while nothing changes.
struct expected {
	__u32 seen; // slot
	__u32 octets[STEADY_WORDS];
};

struct sighting {
	__u64 last; // CLOCK_MONOTONIC
	__u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LIMITS);
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps");

// User space writes single octets of it.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
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
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_STEADY);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct steady_key);
	__type(value, struct expected);
} steady SEC(".maps");

// Read by OAM through memory.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_STEADY);
	__type(key, __u32);
	__type(value, struct sighting);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} punts SEC(".maps");
