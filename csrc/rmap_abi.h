/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The C interface of a subject: what one side of the comparison must offer.
 * Read by bindgen for the compiled kernel references; a port in C, or in any
 * language with a C interface, can be compared by exporting the same table.
 *
 * Version 2. Only integers and pointers to integers cross it; objects are
 * named by birth serial (the nth successful allocation of their cache since
 * the last reset, from 0). The numbers of calls, events, rules and the words
 * of a state stream are documented in crates/seam/src/.
 */
#ifndef RMAP_ABI_H
#define RMAP_ABI_H

#include <stdint.h>

#define RMAP_ABI_VERSION 2
#define RMAP_FAIL_MAX 4
#define RMAP_NONE UINT32_MAX

/* One observed event; see EventKind in crates/seam/src/event.rs. */
struct rmap_event {
	uint8_t kind;
	uint8_t arg;
	uint16_t flags;
	uint32_t object;
	uint32_t other;
};

/* Which allocation attempts of an operation fail; see Fail in crates/seam/src/fail.rs. */
struct rmap_fail {
	uint16_t list[RMAP_FAIL_MAX];
	uint16_t from;
};

enum rmap_call_kind {
	/* Bookkeeping around the reverse map. */
	RMAP_MMAP_WRITE_LOCK,	/* mm */
	RMAP_MMAP_READ_LOCK,	/* mm */
	RMAP_MMAP_UNLOCK,	/* mm */
	RMAP_VM_AREA_ALLOC,	/* mm, range */
	RMAP_VM_AREA_DUP,	/* vma, mm, range */
	RMAP_VM_AREA_FREE,	/* vma */
	RMAP_VMA_SET_RANGE,	/* vma, range */
	RMAP_VMA_MARK_ATTACHED,	/* vma */
	RMAP_VMA_MARK_DETACHED,	/* vma */
	RMAP_VMA_SET_ATTRIBUTES,	/* vma, start = anon_pgoff, end = flags, pgoff = file; see VmaAttributes */
	RMAP_VMA_SET_MM,	/* vma, mm */
	RMAP_VMA_SET_ANON_VMA,	/* vma, other = anon_vma */
	/* The reverse map itself. */
	RMAP_ANON_VMA_PREPARE,	/* vma, other = prev, third = next */
	RMAP_ANON_VMA_CLONE,	/* vma = dst, other = src, operation */
	RMAP_ANON_VMA_FORK,	/* vma, other = pvma */
	RMAP_UNLINK_ANON_VMAS,	/* vma */
	RMAP_PRE_UPDATE_VMA,	/* vma */
	RMAP_POST_UPDATE_VMA,	/* vma */
	RMAP_ANON_VMA_LOCK_WRITE,	/* vma = anon_vma: held until the unlocking */
	RMAP_ANON_VMA_UNLOCK_WRITE,	/* vma = anon_vma */
	RMAP_TREE_PRE_UPDATE_VMA,	/* vma */
	RMAP_TREE_POST_UPDATE_VMA,	/* vma */

	/* Folios, named by the caller: third. */
	RMAP_FOLIO_SET_ANON,	/* third, vma, start = page, operation = exclusive */
	RMAP_FOLIO_MOVE_ANON_RMAP,	/* third, vma */
	RMAP_FOLIO_SET_INDEX,	/* third, vma, start = page */
	RMAP_FOLIO_FREE,	/* third */
	RMAP_FOLIO_GET_ANON_VMA,	/* third, operation = mapped */
	RMAP_PUT_ANON_VMA,	/* other = anon_vma */
	RMAP_RMAP_WALK_ANON,	/* third, operation = mapped, start = enum rmap_walk_mode */

	/* Told by a driver behind the interface, never called: what befalls the page tables, and what is outside of any call. */
	RMAP_PAGES_ZAP = 0x100,	/* mm, pages start to end */
	RMAP_PAGES_COPY,	/* mm, other = the mm copied from, pages start to end */
	RMAP_PAGES_MOVE,	/* mm, pages start to end, pgoff = the first page's new place */
	RMAP_OUTSIDE,		/* events that belong to no call */
};

/* How an rmap walk comes by the lock of its anon_vma; see WalkMode in crates/seam/src/lib.rs. */
enum rmap_walk_mode {
	RMAP_WALK_UNLOCKED,
	RMAP_WALK_LOCKED,
	RMAP_WALK_TRYLOCK,
	RMAP_WALK_CONTENDED,
};

/* One call of the interface; see Call in crates/seam/src/lib.rs. Absent VMAs are RMAP_NONE; start, end and pgoff are pages. */
struct rmap_call {
	uint32_t kind;
	uint32_t mm;
	uint32_t vma;
	uint32_t other;
	uint32_t third;
	uint32_t operation;
	uint64_t start;
	uint64_t end;
	uint64_t pgoff;
};

/* How the slab treats freed objects. */
enum rmap_slab_mode {
	RMAP_SLAB_REUSE,	/* the next allocation gets the last freed object; never under AddressSanitizer */
	RMAP_SLAB_POISON,	/* freed objects are poisoned and kept until the reset; AddressSanitizer's own way there */
};

/* What the kernel's VMA code is asked to do; pages. The numbers are those of enum rmap_operation_kind. */
enum rmap_operation_kind {
	RMAP_OP_MAP,		/* mm, start..end, file + 1 or 0, flags & 1: grows down */
	RMAP_OP_FAULT,		/* mm, start, flags & 1: write, flags & 2: needs an anon_vma; returns the VMA */
	RMAP_OP_FORK,		/* mm, other = the child */
	RMAP_OP_UNMAP,		/* mm, start..end */
	RMAP_OP_EXIT,		/* mm */
	RMAP_OP_PROTECT,	/* mm, start..end, flags & 1: writable */
	RMAP_OP_ADVISE,		/* mm, start..end, flags: dontfork, dofork, wipeonfork, keeponfork */
	RMAP_OP_MOVE,		/* mm, start..end, to, flags & 1: dontunmap */
	RMAP_OP_RESIZE,		/* mm, start..end, to = new length */
	RMAP_OP_GROW,		/* mm, start = a page of the VMA, to = pages */
};

struct rmap_operation {
	uint32_t kind;
	uint32_t mm;
	uint32_t other;
	uint32_t flags;
	uint32_t file;
	uint64_t start;
	uint64_t end;
	uint64_t to;
};

/* One thing seen while the VMA code runs: a call of the interface, its result, its events, and the state it touched. */
struct rmap_seen {
	const struct rmap_call *call;
	int32_t result;
	uint32_t nr_events;
	uint32_t nr_words;
	const struct rmap_event *events;
	const uint64_t *words;	/* NULL: it is not told */
};

/* Told of each as it happens. Not 0 ends the operation there. */
typedef int32_t (*rmap_watcher)(void *context, const struct rmap_seen *seen);

struct rmap_world;

/* What a subject exports. Every pointer returned is valid until the next call on the same world. */
struct rmap_ops {
	uint32_t abi_version;
	/* A fresh world, or NULL when memory is out. */
	struct rmap_world *(*create)(uint32_t slab_mode);
	void (*destroy)(struct rmap_world *world);
	/* Frees every object, restarts the serials. */
	void (*reset)(struct rmap_world *world);
	/* Restarts the count of allocation attempts. */
	void (*begin_operation)(struct rmap_world *world, const struct rmap_fail *fail);
	uint32_t (*attempts)(const struct rmap_world *world);
	/* 0 or a serial, or a negative errno. */
	int32_t (*call)(struct rmap_world *world, const struct rmap_call *call);
	/* Events of the last call. */
	const struct rmap_event *(*events)(const struct rmap_world *world, uint32_t *count);
	/* State streams: what the last call touched, and everything. */
	const uint64_t *(*touched)(struct rmap_world *world, uint32_t *count);
	const uint64_t *(*state)(struct rmap_world *world, uint32_t *count);
	/* Live objects a cache: vm_area_struct, anon_vma, anon_vma_chain. */
	void (*live)(const struct rmap_world *world, uint32_t counts[3]);
	/* Condition and place of the last WARN, BUG or oops; empty if none. */
	const char *(*last_warning)(const struct rmap_world *world);
	/*
	 * The VMA layer; NULL where there is none. Does one operation, telling the watcher all that it does; 0 or a
	 * serial, or a negative errno. node_fail: the same as the failures, of the allocations of maple tree nodes.
	 */
	int32_t (*operate)(struct rmap_world *world, const struct rmap_operation *operation,
			   const struct rmap_fail *node_fail, rmap_watcher watcher, void *context);
	/* What is mapped in a process, by the mm's own tree: map_count, total_vm, whether the tree is in RCU mode,
	 * then of each VMA its serial, start, end, flags | file << 32 as in a state stream, and whether it has an anon_vma. */
	const uint64_t *(*space)(struct rmap_world *world, uint32_t mm, uint32_t *count);
	/* How many allocations of the current operation were made to fail, nodes included. */
	uint32_t (*injected)(const struct rmap_world *world);
	/* 1 if compiled with the fuzzer's coverage counters. */
	uint32_t instrumented;
};

#endif /* RMAP_ABI_H */
