// The layout that the programs and the Go side share. bpf2go makes Go types of
// the structs named in generate.go. A change here needs a new schema version
// (pins.go): running processes have these maps pinned.
#pragma once

#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "maps_client.h"
#include "maps_oam.h"

// The deepest stack imposed in one operation and the deepest one read.
#define MAX_IMPOSE 8  // by one LSP or pseudowire
#define MAX_STACK 8   // by all on one packet, hierarchy and entropy label included
#define MAX_NESTING 3 // groups entered by one packet
#define MAX_RECEIVE 12

#define MAX_LABELS (1 << 20)
#define DEFAULT_LSPS (1 << 16)
#define DIRECT_PORTS 4096
#define MAX_PREFIXES (1 << 17)
#define MAX_GROUPS (1 << 15)
#define MAX_RELAYS (1 << 16)
#define MAX_COPY_LISTS (1 << 12)
#define MAX_COPIES 62

// What a label, a prefix or a next hop refers to: the kind above the slot. The
// plain number is an LSP, or a section where it is a next hop.
#define REF_LSP 0
#define REF_GROUP (1u << 28)
#define REF_PW (2u << 28)
#define REF_KIND(x) ((x) & 0xf0000000)
#define REF_SLOT(x) ((x) & 0x0fffffff)

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
	LSP_BLOCKED = 4,   // no user traffic
	LSP_LOOP = 8,      // everything goes back by the LSP of loop
	LSP_BRANCH = 16,   // a branch of another LSP: counts no In
	LSP_BUD = 32,      // the last of the copies is for this node
	LSP_ENTROPY = 64,  // impose an entropy label
	LSP_CLASS = 128,   // an L-LSP
};

enum section_flag {
	SECTION_DOWN = 1,
	SECTION_OWN_SPACE = 2,
	SECTION_QUEUES = 4,
	SECTION_BY_TC = 8, // frames of the impose device reach it by the tc program
	SECTION_BLOCKED = 16, // nothing but its own G-ACh
};

enum event {
	EV_MALFORMED = 0,   // a GAL, router alert or other label where none may be
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
	EV_NOT_SELECTED,    // came on the leg that the receiving end of 1+1 does not take
	EV_GROUP_DOWN,      // group administratively down
	EV_GROUP_EMPTY,     // group without a leg in use
	EV_NESTING,         // more labels or groups on top of each other than can be imposed
	EV_SPECIAL_LABEL,   // special-purpose label without a meaning here
	EV_EXTENSION_LABEL, // below the extension label: RFC 7274
	EV_ENTROPY_LABEL,   // entropy label where none may be: RFC 6790
	EV_RELAY,           // copy or queued frame that the tc program could not be handed
	EV_CONTROL_WORD,    // no control word of a pseudowire where one must be
	EV_SEQUENCE,        // out of order on a pseudowire with sequence numbers
	EV_PAYLOAD_LONG,    // longer than the pseudowire, or the client's interface, takes
	EV_RUNT,            // shorter than its Ethernet header and tags
	EV_VLAN,            // to the client without the tags of its circuit
	EV_NO_ATTACHMENT,   // off a pseudowire that no service receives
	EV_POLICED,         // red
	EV_PW_DOWN,         // pseudowire administratively down, or none to send on
	EV_SERVICE_DOWN,    // service administratively down
	EV_PUNT_CHANNEL,    // not punted: over the rate of its channel type
	EV_PUNT_MEG,        // not punted: over the rate of its MEG
	EV_BLOCKED,         // user traffic of a path that is blocked
	EV_SHORT,           // not even one label
	EV_NO_BOTTOM,       // ended before the bottom of the stack
	EV_RESYNC,          // no drop: took the numbering of a peer that began anew
	EV_PUNTED,          // first of PUNT_REASONS counters of frames punted
	EV_MAX = EV_PUNTED + PUNT_REASONS,
};

// An interface, or a VLAN on one, that a section uses.
struct port_key {
	__u32 ifindex;
	__u32 vlan;
};

// Where frames go out, or come in. peer and own are written together, as they
// are in a frame.
struct section {
	__u8 peer[6];
	__u8 own[6];
	__u32 ifindex;
	__u32 counter;
	__u16 vlan;
	__u16 mtu; // octets behind the Ethernet header and the VLAN tag
	__u8 flags;
	__u8 pad[7];
};

// A section in its slot: the body in use is the one that current tells, the
// other is what the next change is written to. Slot 0 is the impose device: the
// index of its near end, the address of its far end and, in since, the index of
// that.
struct section_slot {
	struct section body[2];
	__u32 current;
	__u32 pad;
	__u64 name;  // FNV-1a of the name: tells an adopting process whose it is
	__u64 since; // Unix nanoseconds at which the counters started
};

struct label_key {
	__u32 section;
	__u32 label;
};

// What a label leads to, in one word, so that one write turns it: 0 for nothing;
// what it refers to and the counter of that, for a packet needs both and neither
// fetch has to wait for the other; or, with LEAD_PLAIN, all of an LSP that swaps
// one label or pops it towards a section. A plain packet has no need of the
// entry of such an LSP, any other one finds it by the counter in plain_lsps.
struct label_entry {
	__u64 lead;
};

#define LEAD_REF(lead) ((__u32)(lead))
#define LEAD_COUNTER(lead) ((__u32)((lead) >> 32) & 0xffffff)
#define LEAD_SECTION(lead) ((__u32)(lead) & 0xfff)
#define LEAD_LABEL(lead) ((__u32)(lead) & 0xfffff000) // in its place
#define LEAD_TC(lead) ((__u32)((lead) >> 56 & 7) << 9) // in its place
#define LEAD_TC_SET (1ull << 59)
#define LEAD_POP (1ull << 60)
#define LEAD_PLAIN (1ull << 63)

// One LSP, or one branch of a point-to-multipoint one. What a packet needs is
// in one cache line. lse holds label, TC and TTL in place, S clear; of OP_SWAP
// the last one has TTL 0, because the packet's own is put in.
struct lsp {
	__u32 out; // section, REF_GROUP
	__u32 counter;
	__u8 op;
	__u8 flags;
	__u8 n;      // labels imposed
	__u8 tc_set; // bit i: lse[i] has its own TC
	__u8 class;        // of an L-LSP
	__u8 selector_leg; // taken while it is the active one of selector
	__u16 pad;
	__u32 selector; // group, 0 for none
	__u32 loop;     // LSP of the opposite direction
	__u32 copies;   // list of branches, 0 for none
	__u32 meg;      // punt bucket
	__u32 lse[MAX_IMPOSE];

	__u64 name;
	__u64 since;
	__u32 generation;
	__u32 in_label;
	__u32 in_section; // 0: the per-platform label space
	__u32 parent;     // of a branch: the counter of its LSP, by which its relay finds it again
	__u64 loop_name;
	__u64 reserved[3];
};

// A group. state is legs, active leg and flags in one word, so that a program
// sees one state or the next: legs in bits 0 to 27 and 28 to 55, the active one
// in bit 56, flags from bit 57 on.
struct group {
	__u64 state;
	__u32 counter;
	__u32 copies; // of a permanent bridge: one per leg
	__u64 name;
	__u64 since;
	__u64 leg_names[2];
};

#define GROUP_LEG(state, i) ((__u32)((state) >> ((i) ? 28 : 0)) & 0x0fffffff)
#define GROUP_ACTIVE(state) ((__u32)((state) >> 56) & 1)
#define GROUP_DOWN (1ull << 57)
#define GROUP_PERMANENT (1ull << 58)
#define GROUP_PWS (1ull << 59)

// The relays that a packet is copied to, one copy each.
struct copies {
	__u32 n;
	__u16 relay[MAX_COPIES];
};

enum relay_kind {
	RELAY_NONE = 0,
	RELAY_LSP = 1,   // go on with this LSP, or branch: impose, or its label is on top
	RELAY_GROUP = 2, // enter this group
	RELAY_PORT = 3,  // as if received on this interface
	RELAY_PW = 4,    // a client's frame for this pseudowire
};

// What becomes of a frame that reaches the far end of the impose device with
// an 802.1ad tag: its TCI is the number of a relay.
struct relay {
	__u32 kind;
	__u32 ref;
};

struct prefix4_key {
	__u32 length;
	__u8 address[4];
};

struct prefix6_key {
	__u32 length;
	__u8 address[16];
};

// The counters of one object on one CPU, a cache line. The bucket of its MEG is
// that of CPU 0, for all: without a lock, a race lets one frame more through.
struct counters {
	__u64 in_packets, in_octets;
	__u64 out_packets, out_octets;
	__u64 in_drops, out_drops;
	struct bucket meg;
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
	__type(value, struct section_slot);
} sections SEC(".maps");

// The per-platform label space. An array, because a hash costs a cache miss more
// per packet once it is large. It and the table of
// LSPs are mapped into memory by audits: a batch read of a million takes 0.3 s.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_LABELS);
	__type(key, __u32);
	__type(value, struct label_entry);
} platform_labels SEC(".maps");

// The per-interface label spaces.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_LABELS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct label_key);
	__type(value, struct label_entry);
} section_labels SEC(".maps");

// The LSPs that labels tell as a whole: counter to entry.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, DEFAULT_LSPS);
	__type(key, __u32);
	__type(value, __u32);
} plain_lsps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, DEFAULT_LSPS);
	__type(key, __u32);
	__type(value, struct lsp);
} lsps SEC(".maps");

// The counters of sections, LSPs, groups and pseudowires: those of CPU 0, then
// those of the next one, COUNTERS_PER_CPU each. Not a per-CPU array: it can be
// mapped, and a packet finds its counters with one fetch instead of two. Programs run to their end on one CPU, and none
// interrupts another, so that nothing here is atomic. Counter 0 is nobody's.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, DEFAULT_LSPS);
	__type(key, __u32);
	__type(value, struct counters);
} counter_table SEC(".maps");

// Set before the programs are loaded, by the size of the map.
volatile const __u32 counters_per_cpu = 1;
volatile const __u32 cpus = 1;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_GROUPS);
	__type(key, __u32);
	__type(value, struct group);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_COPY_LISTS);
	__type(key, __u32);
	__type(value, struct copies);
} copy_lists SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MAX_RELAYS);
	__type(key, __u32);
	__type(value, struct relay);
} relays SEC(".maps");

// The far end of the impose device, while frames leave it by the tc program; 0
// while native XDP sends them.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} by_tc SEC(".maps");

// The interfaces whose frames the tc program sends to the impose device as they
// are, and the relay that stands for each: all frames with RELAY_ALL, else those
// of sections.
#define RELAY_ALL (1 << 16)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SECTIONS);
	__type(key, __u32);
	__type(value, __u32);
} relay_ports SEC(".maps");

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
