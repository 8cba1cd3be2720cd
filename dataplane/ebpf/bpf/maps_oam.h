// The tables of the punts that only these programs have, beside those of
// punts.h. Part of the pinned layout, see maps.h.
#pragma once

#include "../../punt/bpf/punts.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_SECTIONS * PUNT_REASONS);
	__type(key, __u32);
	__type(value, struct bucket);
} buckets SEC(".maps");

// Expired TTLs by section.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAX_SECTIONS);
	__type(key, __u32);
	__type(value, __u64);
} expiries SEC(".maps");
