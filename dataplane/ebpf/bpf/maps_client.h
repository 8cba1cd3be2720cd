// The tables of the clients: pseudowires, services, policers. Part of the
// pinned layout, see maps.h.
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAX_PWS (1 << 14)
#define MAX_SERVICES (1 << 13)
#define PW_LABELS 8

// So many frames out of order in a row, but in order among themselves, are those
// of a peer that has begun to count anew.
#define RESYNC 16

enum pw_type {
	PW_RAW = 0,
	PW_TAGGED = 1,
	PW_NETWORK = 2,
};

enum pw_flag {
	PW_DOWN = 1,
	PW_BLOCKED = 2,
	PW_CONTROL_WORD = 4,
	PW_SEQUENCE = 8,
	PW_NULL = 16,  // explicit null below the service label
	PW_SENDS = 32,
};

enum vlan_operation {
	VLAN_KEEP = 0,
	VLAN_POP = 1,
	VLAN_PUSH = 2,
	VLAN_TRANSLATE = 3,
};

enum service_flag {
	SERVICE_DOWN = 1,
	SERVICE_NNI = 2,
	SERVICE_NETWORK = 4,
	SERVICE_POLICED = 8,
	SERVICE_CLASSES = 16,
};

enum colour {
	GREEN = 0,
	YELLOW = 1,
	RED = 2,
};

// One pseudowire. Its identifier, which everything else refers to, stays the
// same for its life; its entry is replaced. lse is as in struct lsp; the TTL of
// the lowest label is in ttl.
struct pw {
	__u64 name;
	__u64 since;
	__u32 generation;
	__u32 id;
	__u32 counter;
	__u32 in_label;
	__u32 out;  // section, REF_GROUP
	__u32 loop; // identifier of the pseudowire that frames go back into
	__u32 lse[PW_LABELS];
	__u8 n;
	__u8 tc_set;
	__u8 type;
	__u8 flags;
	__u16 mtu;
	__u8 ttl;
	__u8 pad;
};

// Where the entry of a pseudowire is, and where its frames go: to the entry of
// a service or, a REF_PW, to the pseudowire that it is switched to.
struct pw_ref {
	__u32 entry;
	__u32 to;
};

// What a pseudowire with sequence numbers remembers, for all CPUs.
struct pw_state {
	struct bpf_spin_lock lock;
	__u16 sent;   // last number sent
	__u16 expect; // next number expected; 0: none came yet
	__u16 late;   // frames refused since the last one in order
	__u16 follow; // number behind the last of them
};

// A token bucket: rate in bits per second, burst in units of 1e-9 bit, which a
// rate of one fills in a nanosecond; fill is the time from empty to full.
struct rate {
	__u64 rate;
	__u64 burst;
	__u64 fill;
};

// One service. mtu is that of the interface.
struct service {
	__u64 name;
	__u64 since;
	struct rate committed, excess;
	__u32 generation;
	__u32 id; // of its counters and buckets
	__u32 ifindex;
	__u32 send; // REF_PW, REF_GROUP; 0: none
	__u16 outer, inner;
	__u16 vlan;
	__u16 mtu;
	__u8 own[6], peer[6];
	__u8 op;
	__u8 flags;
	__u8 classes[2][8]; // by colour and priority
	__u8 pad[2];
};

struct policer {
	struct bpf_spin_lock lock;
	__u32 pad;
	__u64 time; // of the last frame, CLOCK_MONOTONIC; 0: the buckets are full
	__u64 committed, excess;
};

// The tags of an attachment circuit: tpid in the order of the wire, 0 and 0 for
// a whole interface.
struct circuit_key {
	__u32 ifindex;
	__u16 tpid;
	__u16 outer;
	__u16 inner;
	__u16 pad;
};

// The circuits of an interface: the one without tags, and whether there are
// others.
struct circuits {
	__u32 service;
	__u32 tagged;
};

struct service_count {
	__u64 in_packets, in_octets;
	__u64 out_packets, out_octets;
	__u64 in_drops, out_drops;
	__u64 colour_packets[3], colour_octets[3];
};

struct segments {
	__u32 a, b;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_PWS);
	__type(key, __u32);
	__type(value, struct pw_ref);
} pw_refs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_PWS);
	__type(key, __u32);
	__type(value, struct pw);
} pws SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_PWS);
	__type(key, __u32);
	__type(value, struct pw_state);
} pw_states SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct service_count);
} service_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct policer);
} policers SEC(".maps");

// Interface to circuits: by index where it is low, which saves the hash for
// most; the service without tags of all others is in tagged_circuits.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct circuits);
} direct_circuits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SERVICES);
	__type(key, struct circuit_key);
	__type(value, __u32);
} tagged_circuits SEC(".maps");

// Switching points, by the hash of the name: nothing but what a dump needs,
// the programs have pw_ref.to.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PWS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct segments);
} switching_points SEC(".maps");
