/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The C interface of a subject: what one side of the comparison must offer.
 * bindgen reads it for the compiled kernel references. A port in C, or in any
 * language with a C interface, can be compared by exporting the same table.
 *
 * Only integers and pointers to integers cross it. Objects are named by birth
 * serial: the nth successful allocation of their cache since the last reset,
 * from 0. Pages are page numbers; the end of a range is exclusive.
 *
 * Every number of the interface is here and nowhere else, each with its value:
 * the Rust crates read them from this file. An enumerator is a line of its own.
 */
#ifndef RMAP_ABI_H
#define RMAP_ABI_H

#include <stdint.h>

#define RMAP_ABI_VERSION 21
#define RMAP_FAIL_MAX 4
#define RMAP_MAX_PROCESSES 16
#define RMAP_MAX_FILES 4
/* Files from this number on are of a file system that is not told of the first write to a page. */
#define RMAP_FILES_NOT_TOLD 2
#define RMAP_NONE UINT32_MAX

/* A slab cache whose allocation attempts are counted. */
enum rmap_cache {
	RMAP_CACHE_VMA = 0,
	RMAP_CACHE_ANON_VMA = 1,
	RMAP_CACHE_AVC = 2,
};

/* An entry point of the rmap code whose enter and exit are events, whoever calls it. */
enum rmap_function {
	RMAP_FUNCTION_PREPARE = 0,	/* __anon_vma_prepare() */
	RMAP_FUNCTION_CLONE = 1,	/* anon_vma_clone() */
	RMAP_FUNCTION_FORK = 2,		/* anon_vma_fork() */
	RMAP_FUNCTION_UNLINK = 3,	/* unlink_anon_vmas() */
};

/* A rule of the stubs. A broken rule is an event, and a violation. */
enum rmap_rule {
	RMAP_RULE_SLEEP_IN_ATOMIC = 1,
	RMAP_RULE_TREE_UNLOCKED = 2,
	RMAP_RULE_DOUBLE_FREE = 3,
	RMAP_RULE_FOREIGN_FREE = 4,
	RMAP_RULE_UNBALANCED_UNLOCK = 5,
	RMAP_RULE_SELF_DEADLOCK = 6,
	RMAP_RULE_LOCK_HELD_ON_RETURN = 7,
	RMAP_RULE_RCU_HELD_ON_RETURN = 8,
	RMAP_RULE_MMAP_LOCK_NOT_HELD = 9,
	RMAP_RULE_FREED_WHILE_LOCKED = 10,
	RMAP_RULE_REF_UNDERFLOW = 11,
	RMAP_RULE_USE_AFTER_FREE = 12,
	RMAP_RULE_NODES_LEFT = 13,
	RMAP_RULE_FREED_BEFORE_FLUSH = 14,	/* serial: the page of the translation */
	RMAP_RULE_NOT_FLUSHED = 15,	/* serial: the page of the translation */
	RMAP_RULE_NOTIFIER_UNPAIRED = 16,	/* a start without its end, or an end alone */
	RMAP_RULE_OTHER_ADDRESS = 17,	/* serial: the page */
	RMAP_RULE_LEFT_BY_WRITEBACK = 18,	/* serial: the page */
	RMAP_RULE_WRITTEN_BEFORE_FLUSH = 19,	/* serial: the page */
	RMAP_RULE_NOT_PARTIALLY_MAPPED = 20,	/* serial: the folio */
	RMAP_RULE_DEVICE_ANSWER = 21,	/* serial: the page */
	RMAP_RULE_TABLE_NOT_EMPTY = 22,	/* serial: the page of an entry */
	RMAP_RULE_TABLE_STILL_FOUND = 23,	/* serial: the first page of the table */
	RMAP_RULE_FAULTED_OLD = 24,	/* serial: the page */
	RMAP_RULE_LRU = 25,		/* serial: the folio */
	RMAP_RULE_FRAME_OF_ABSENT = 26,	/* serial: the frame that the entry does name */
	RMAP_RULE_DEVICE_MIGRATED = 27,	/* serial: the page */
	RMAP_RULE_MAPPED_AND_GONE = 28,	/* serial: the folio, whose anon_vma is gone */
	RMAP_RULE_LOCK_OF_GONE = 29,	/* a task that read under RCU holds it behind RCU */
	RMAP_RULE_VMA_LOCK_NOT_HELD = 30,
	RMAP_RULE_VMA_FREED_WHILE_LOCKED = 31,
	RMAP_RULE_MIGRATION_LEFT = 32,	/* serial: the folio that migrated */
	RMAP_RULE_MAPPING_MISSED = 33,	/* serial: the page that is mapped */
	RMAP_RULE_LOCK_ORDER = 34,
	RMAP_RULE_ENTRY_UNLOCKED = 35,	/* serial: the page of the entry */
	RMAP_RULE_FILE_TREE_UNLOCKED = 36,
	RMAP_RULE_VMA_CHANGED_UNLOCKED = 37,
	RMAP_RULE_TREE_UNSETTLED = 38,
	RMAP_RULE_COUNTERS_UNSETTLED = 39,
	RMAP_RULE_REFERENCE_MISSING = 40,
	RMAP_RULE_CHAIN_UNSETTLED = 41,
	RMAP_RULE_CHAINS_DIFFER = 42,	/* serial: a VMA, and another one has its anon_vma */
};

/*
 * What kind of event, and what its fields hold. A field that is not named is 0.
 * An anon_vma, a VMA and a chain entry (avc) are named by serial.
 */
enum rmap_event_kind {
	/* arg: cache; flags: rmap_gfp; object: serial, or RMAP_NONE: it failed */
	RMAP_EVENT_ALLOC = 1,
	RMAP_EVENT_FREE = 2,		/* arg: cache; object: serial */
	RMAP_EVENT_DOWN_WRITE = 3,	/* object: anon_vma */
	RMAP_EVENT_UP_WRITE = 4,	/* object: anon_vma */
	RMAP_EVENT_DOWN_READ = 5,	/* object: anon_vma */
	RMAP_EVENT_UP_READ = 6,		/* object: anon_vma */
	/* arg: 1 for writing; flags: 1 if taken; object: anon_vma */
	RMAP_EVENT_TRYLOCK = 7,
	RMAP_EVENT_SPIN_LOCK = 8,	/* page_table_lock; object: mm */
	RMAP_EVENT_SPIN_UNLOCK = 9,	/* page_table_lock; object: mm */
	RMAP_EVENT_GET = 10,		/* object: anon_vma */
	/* object: anon_vma; flags: 1 if it was the last reference */
	RMAP_EVENT_PUT = 11,
	/* arg: function; flags: rmap_enter; object: VMA; other: source VMA or RMAP_NONE */
	RMAP_EVENT_ENTER = 12,
	RMAP_EVENT_EXIT = 13,		/* arg: function; flags: errno or 0; object: VMA */
	RMAP_EVENT_TREE_INSERT = 14,	/* object: anon_vma; other: avc */
	RMAP_EVENT_TREE_REMOVE = 15,	/* object: anon_vma; other: avc */
	RMAP_EVENT_WARN = 16,
	RMAP_EVENT_BUG = 17,		/* the call ended there */
	RMAP_EVENT_OOPS = 18,		/* the call ended there */
	RMAP_EVENT_RULE = 19,		/* arg: rule; object: the serial concerned, or RMAP_NONE */
	RMAP_EVENT_VISIT = 20,		/* of a walk; object: VMA; other: page */
	/* object: anon_vma; other: avc, which stays in the tree with another last page offset */
	RMAP_EVENT_TREE_UPDATE = 21,
	/*
	 * A statistic of the node changes, within a call or in none. arg: rmap_stat; object: by how
	 * much, a signed number
	 */
	RMAP_EVENT_STAT = 22,
	RMAP_EVENT_MLOCK = 23,		/* mlock_folio(). object: folio */
	RMAP_EVENT_MUNLOCK = 24,	/* munlock_folio(). object: folio */
	/* Of a walk of a folio's mappings. */
	/*
	 * A page table entry is written. arg: mm; flags: rmap_page_entry; object: frame or slot;
	 * other: page
	 */
	RMAP_EVENT_ENTRY = 25,
	/*
	 * TLBs are flushed, within a call or in none. arg: mm; flags: rmap_flush; object: page;
	 * other: how many
	 */
	RMAP_EVENT_FLUSH = 26,
	/* MMU notifiers. arg: 1 at the end; object: page; other: how many */
	RMAP_EVENT_NOTIFY = 27,
	/* A counter changes. arg: mm; flags: rmap_counter; object: by how much, a signed number */
	RMAP_EVENT_COUNTER = 28,
	/* An entry more names a slot of the swap device, or one less (arg 1). object: slot */
	RMAP_EVENT_SLOT = 29,
	/*
	 * How the walk leaves it. arg and flags: rmap_page_frame, arg from bit 16 on; object:
	 * folio; other: references
	 */
	RMAP_EVENT_LEFT = 30,
	/* Of the lock of a file's tree of VMAs. flags: 1 if taken; object: file */
	RMAP_EVENT_FILE_TRYLOCK = 31,
	RMAP_EVENT_FILE_DOWN_READ = 32,	/* object: file */
	RMAP_EVENT_FILE_UP_READ = 33,	/* object: file */
	/* What a walk says of the VMAs that used a folio. object: folio; other: of RMAP_VMA_* */
	RMAP_EVENT_USED_BY = 34,
	/* Whether some of these pages were used. arg: mm; object: page; other: how many */
	RMAP_EVENT_YOUNG = 35,
};

/* Statistics of a node: the trees number theirs differently. */
enum rmap_stat {
	RMAP_STAT_ANON_MAPPED = 0,
	RMAP_STAT_FILE_MAPPED = 1,
	RMAP_STAT_ANON_THPS = 2,
	RMAP_STAT_PIN_ACQUIRED = 3,
	RMAP_STAT_PIN_RELEASED = 4,
	RMAP_STAT_OTHER = 5,		/* one that has no name here */
};

/* What a flush is of. Only the first names pages. */
enum rmap_flush {
	RMAP_FLUSH_PAGES = 0,
	RMAP_FLUSH_PUT_OFF = 1,		/* nothing yet: the flush is put off */
	RMAP_FLUSH_MM = 2,		/* all pages of the mm */
	RMAP_FLUSH_BATCH = 3,		/* every flush that was put off; arg: 0 */
};

/* Counters of an mm. */
enum rmap_counter {
	RMAP_COUNTER_FILE_PAGES = 0,
	RMAP_COUNTER_ANON_PAGES = 1,
	RMAP_COUNTER_SWAP_ENTRIES = 2,
	RMAP_COUNTER_SHMEM_PAGES = 3,
};

/* What a walk is to do: the trees number theirs differently. */
enum rmap_walk_flag {
	RMAP_TTU_SPLIT_HUGE_PMD = 1,
	RMAP_TTU_IGNORE_MLOCK = 2,
	RMAP_TTU_SYNC = 4,
	RMAP_TTU_HWPOISON = 8,
	RMAP_TTU_BATCH_FLUSH = 16,
	RMAP_TTU_RMAP_LOCKED = 32,
	/* entries of a page that is all 0 become those of the zero page */
	RMAP_TTU_USE_SHARED_ZEROPAGE = 64,
};

/* Flags of RMAP_EVENT_ENTER. */
enum rmap_enter {
	RMAP_ENTER_HAS_ANON_VMA = 1,
	RMAP_ENTER_HAS_CHAIN = 2,
};

/* GFP flags of an allocation: the trees number theirs differently. */
enum rmap_gfp {
	RMAP_GFP_DIRECT_RECLAIM = 0x1,
	RMAP_GFP_KSWAPD_RECLAIM = 0x2,
	RMAP_GFP_IO = 0x4,
	RMAP_GFP_FS = 0x8,
	RMAP_GFP_NOWARN = 0x10,
	RMAP_GFP_ZERO = 0x20,
	RMAP_GFP_ACCOUNT = 0x40,
	RMAP_GFP_NOFAIL = 0x80,
	RMAP_GFP_HIGH = 0x100,
	RMAP_GFP_NORETRY = 0x200,
};

/* vm_flags of a VMA: the trees number theirs differently. */
enum rmap_vma_flag {
	RMAP_VMA_READ = 0x1,
	RMAP_VMA_WRITE = 0x2,
	RMAP_VMA_EXEC = 0x4,
	RMAP_VMA_SOFTDIRTY = 0x8,
	RMAP_VMA_GROWSDOWN = 0x10,
	RMAP_VMA_DONTCOPY = 0x20,
	RMAP_VMA_WIPEONFORK = 0x40,
	RMAP_VMA_ACCOUNT = 0x80,
	RMAP_VMA_OTHER = 0x100,		/* any flag that has no bit here */
	RMAP_VMA_NORESERVE = 0x200,
	RMAP_VMA_LOCKED = 0x400,
	RMAP_VMA_SHARED = 0x800,
	RMAP_VMA_UFFD = 0x1000,		/* userfaultfd write-protects its pages */
};

/* Why a VMA is cloned; enum vma_operation of 7.x. */
enum rmap_vma_operation {
	RMAP_VMA_OP_SPLIT = 0,
	RMAP_VMA_OP_MERGE_UNFAULTED = 1,
	RMAP_VMA_OP_REMAP = 2,
	RMAP_VMA_OP_FORK = 3,
};

/* How an rmap walk takes the lock of its anon_vma. */
enum rmap_walk_mode {
	RMAP_WALK_UNLOCKED = 0,		/* the walk takes it */
	RMAP_WALK_LOCKED = 1,		/* the caller holds it */
	RMAP_WALK_TRYLOCK = 2,		/* the walk only tries */
	RMAP_WALK_CONTENDED = 3,	/* the walk only tries, and another task holds it */
};

/*
 * The words of a state stream. A stream is a sequence of records; "or 0" is an
 * object that may be absent, whose serial is then given plus 1.
 *
 * VMA:      tag, serial, mm, attached, start, end, pgoff, anon_pgoff, flags | file << 32,
 *           anon_vma + 1 or 0, n, then n times: avc, its anon_vma, its VMA, in list order
 * anon_vma: tag, serial, root, parent, refcount, num_children, num_active_vmas,
 *           leftmost avc + 1 or 0, then a tree
 *           (of a tree with one counter: that, and RMAP_ONE_COUNTER)
 * folio:    tag, number, anon_vma that its mapping was set to + 1, index
 * mapped folio, of the page-table code: tag, number, anon_vma + 1 or 0, index or 0 without one,
 *           order | rmap_large_folio bits, of one of several pages three words (large), then the
 *           first page, n, and of each of n pages: mapcount + 1 | AnonExclusive << 32. A call is
 *           followed by the pages that it is about, a state by all.
 * large:    _entire_mapcount + 1 | (_large_mapcount + 1) << 32; _nr_pages_mapped; and of both
 *           mms that are remembered the number + 1, or 0 for none, and their mapcount + 1:
 *           mm | mapcount << 16 | second mm << 32 | its mapcount << 48
 * tree:     tag, n, then n nodes in preorder
 * paths:    tag, nodes in the tree, m, then m times: k, then k path nodes, from a touched
 *           node up to the root
 * node:     avc | VMA << 32, rmap_node bits | rb_subtree_last << 8
 * path node: a node, then left avc + 1 or 0 | right likewise << 32, then rb_subtree_last of
 *           the left child or 0, of the right child or 0
 */
enum rmap_stream {
	RMAP_STREAM_VMA = 0x11,
	RMAP_STREAM_ANON_VMA = 0x22,
	RMAP_STREAM_TREE = 0x33,
	RMAP_STREAM_PATHS = 0x44,
	RMAP_STREAM_FOLIO = 0x55,
	RMAP_STREAM_MAPPED_FOLIO = 0x56,
};

enum rmap_large_folio {
	RMAP_LARGE_PARTIALLY_MAPPED = 0x100,
	RMAP_LARGE_DEFERRED = 0x200,	/* on the list of folios to split */
	/* may be mapped by more than one mm; 0 if mms are not remembered */
	RMAP_LARGE_SHARED = 0x400,
};

enum rmap_node {
	RMAP_NODE_BLACK = 1,
	RMAP_NODE_LEFT = 2,
	RMAP_NODE_RIGHT = 4,
	RMAP_NODE_LEFT_BLACK = 8,
	RMAP_NODE_RIGHT_BLACK = 16,
};

/* In place of num_active_vmas: num_children is the number of children and of VMAs together. */
#define RMAP_ONE_COUNTER 0xffffffff

/*
 * The words of what the page tables hold. Frames are numbered as they are first used.
 *
 * totals: tag, frames in use but for the zero page, page tables in use, pages of files in memory,
 *         slots of the swap device in use, NR_ANON_MAPPED, NR_FILE_MAPPED, NR_ANON_THPS, folios on
 *         the list of those to split, how many its counter says
 * mm:     tag, mm, MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES, pgtables_bytes, page
 *         tables in it, the topmost not counted
 * entry:  tag, mm, page, rmap_page_entry bits, frame or slot
 * frame:  tag, frame, rmap_page_frame bits, references, mappings, index, anon_vma + 1 or 0, the
 *         first frame of its folio, content, pins of its folio, of a page of a file the content
         that is stored
 * tail:   tag, frame, its own bits of those of a frame, mappings, content; all else is as the first
 *         frame of its folio has it, which came before
 * slot:   tag, slot of the swap device that is in use, what its count says, frame of its page in
 *         the swap cache or 0, content
 *         Content is a number that each write to a page changes; 0 is an empty page's.
 * large:  tag, first frame of a folio of several, and what a state stream has for one: its order
 *         and rmap_large_folio bits, and the three words that follow
 *
 * Where only changes are told, a folio of which a word has changed is told whole, with each of its
 * frames, and further:
 *
 * same:   tag, and what a record of an mm has; the entries are as they were told last
 * gone:   tag, frame that was told of and is free, or a page table's
 */
enum rmap_page_stream {
	RMAP_PAGES_TOTALS = 0x66,
	RMAP_PAGES_MM = 0x77,
	RMAP_PAGES_ENTRY = 0x88,
	RMAP_PAGES_FRAME = 0x99,
	RMAP_PAGES_LARGE = 0xaa,
	RMAP_PAGES_SLOT = 0xbb,
	RMAP_PAGES_TAIL = 0xcc,
	RMAP_PAGES_MM_SAME = 0xdd,
	RMAP_PAGES_GONE = 0xee,
};

/* What is told of the page tables. */
enum rmap_page_reading {
	RMAP_PAGES_ALL = 0,
	/* What has changed since it was asked for last, or all if it was not since the reset. */
	RMAP_PAGES_CHANGED = 1,
	/* All, and from now on what changes. */
	RMAP_PAGES_ANEW = 2,
};

enum rmap_page_entry {
	RMAP_ENTRY_PRESENT = 1,
	RMAP_ENTRY_WRITE = 2,
	RMAP_ENTRY_DIRTY = 4,
	RMAP_ENTRY_ACCESSED = 8,
	RMAP_ENTRY_ZERO = 16,		/* the zero page */
	RMAP_ENTRY_SWAP = 32,
	RMAP_ENTRY_MIGRATION = 64,
	/* of a swap entry, or of a migration entry that cannot be written to */
	RMAP_ENTRY_SWAP_EXCLUSIVE = 128,
	RMAP_ENTRY_NO_ACCESS = 256,	/* present for the kernel alone: PROT_NONE */
	/*
	 * A device has the page for itself. Since 6.15 it counts as mapped; before, it is writable
	 * if the process could write, and comes back so.
	 */
	RMAP_ENTRY_DEVICE = 512,
	/*
	 * Of the level above the lowest: it stands for the pages of a whole page table, from its
	 * page on.
	 * Alone: there is no such entry any more.
	 */
	RMAP_ENTRY_HUGE = 1024,
	RMAP_ENTRY_UFFD = 2048,		/* userfaultfd has write-protected it */
	RMAP_ENTRY_POISON = 4096,	/* the memory of its page has failed */
	RMAP_ENTRY_SOFT_DIRTY = 8192,	/* written to, or new, for whoever tracks that */
};

enum rmap_page_frame {
	RMAP_FRAME_ANON = 1,
	RMAP_FRAME_EXCLUSIVE = 2,	/* PageAnonExclusive() */
	RMAP_FRAME_SWAPBACKED = 4,
	RMAP_FRAME_LOCKED = 8,
	RMAP_FRAME_FILE = 16,		/* of the page cache */
	RMAP_FRAME_SWAPCACHE = 32,
	RMAP_FRAME_MLOCKED = 64,
	/* Its mapping and index are those that the calls told of last. */
	RMAP_FRAME_AS_TOLD = 128,
	RMAP_FRAME_DIRTY = 256,
	RMAP_FRAME_PINNED = 512,	/* folio_maybe_dma_pinned() */
	/* Of a migration that has begun: it is locked, with a reference of the migration's. */
	RMAP_FRAME_MIGRATING = 1024,
	/* A migration to it was in two halves: part of it may have been unmapped in between. */
	RMAP_FRAME_MIGRATED = 2048,
	/* Found by a walk of a small folio that is not locked in memory: all of it is 0. */
	RMAP_FRAME_UNUSED = 8192,
	RMAP_FRAME_NOT_TOLD = 4096,	/* of a file whose number is RMAP_FILES_NOT_TOLD or more */
	RMAP_FRAME_POISONED = 16384,	/* PageHWPoison(): its memory has failed */
	RMAP_FRAME_KEPT = 32768,	/* whoever told of that keeps a reference */
	/* Marked partially mapped while a walk had taken its entries out. */
	RMAP_FRAME_TAKEN_OUT = 65536,
	/* Of no frame, but told with it: a flush is put off, and that of a written page. */
	RMAP_FRAME_FLUSH = 0x20000,
	RMAP_FRAME_FLUSH_DIRTY = 0x40000,
};

/* A touched tree of at most so many nodes is reported whole, otherwise by paths. */
#define RMAP_WHOLE_TREE_MAX 8
/* So many touched nodes of one tree are followed. */
#define RMAP_MARKS_MAX 4

/* One observed event. */
struct rmap_event {
	uint8_t kind;	/* enum rmap_event_kind */
	uint8_t arg;
	uint16_t flags;
	uint32_t object;
	uint32_t other;
};

/* Which allocation attempts of an operation fail: these, and all from one on; 0 is none. */
struct rmap_fail {
	uint16_t list[RMAP_FAIL_MAX];
	uint16_t from;
};

/* Where a VMA lies: vm_start, vm_end and vm_pgoff, all in pages. */
struct rmap_range {
	uint64_t start;
	uint64_t end;
	uint64_t pgoff;
};

/* What else a VMA is. */
struct rmap_attributes {
	uint64_t anon_pgoff;	/* of the first page; pgoff where the tree knows none */
	uint64_t flags;		/* enum rmap_vma_flag */
	uint32_t file;		/* number of the file + 1; 0: anonymous */
};

enum rmap_call_kind {
	/* Bookkeeping around the reverse map: below RMAP_ANON_VMA_PREPARE. */
	RMAP_MMAP_WRITE_LOCK = 0,
	RMAP_MMAP_READ_LOCK = 1,
	RMAP_MMAP_UNLOCK = 2,
	RMAP_VM_AREA_ALLOC = 3,
	RMAP_VM_AREA_DUP = 4,
	RMAP_VM_AREA_FREE = 5,
	RMAP_VMA_SET_RANGE = 6,
	RMAP_VMA_MARK_ATTACHED = 7,
	RMAP_VMA_MARK_DETACHED = 8,
	RMAP_VMA_SET_ATTRIBUTES = 9,
	RMAP_VMA_SET_MM = 10,
	RMAP_VMA_SET_ANON_VMA = 11,
	/* The reverse map itself. */
	RMAP_ANON_VMA_PREPARE = 12,
	RMAP_ANON_VMA_CLONE = 13,
	RMAP_ANON_VMA_FORK = 14,
	RMAP_UNLINK_ANON_VMAS = 15,
	RMAP_PRE_UPDATE_VMA = 16,
	RMAP_POST_UPDATE_VMA = 17,
	RMAP_ANON_VMA_LOCK_WRITE = 18,
	RMAP_ANON_VMA_UNLOCK_WRITE = 19,
	RMAP_TREE_PRE_UPDATE_VMA = 20,
	RMAP_TREE_POST_UPDATE_VMA = 21,
	/* Folios, by the number that the caller chose. */
	RMAP_FOLIO_SET_ANON = 22,
	RMAP_FOLIO_MOVE_ANON_RMAP = 23,
	RMAP_FOLIO_SET_INDEX = 24,
	RMAP_FOLIO_FREE = 25,
	RMAP_FOLIO_GET_ANON_VMA = 26,
	RMAP_PUT_ANON_VMA = 27,
	RMAP_RMAP_WALK_ANON = 28,
	/* Folios of the page-table code, by their first frame. What others do with a folio: */
	RMAP_FOLIO_ALLOC = 29,
	RMAP_FOLIO_SET_MAPPING = 30,
	RMAP_FOLIO_SET_EXCLUSIVE = 31,
	/* and what the reverse map does. */
	RMAP_FOLIO_ADD_NEW_ANON_RMAP = 32,
	RMAP_FOLIO_ADD_ANON_RMAP = 33,
	RMAP_FOLIO_ADD_FILE_RMAP = 34,
	RMAP_FOLIO_REMOVE_RMAP = 35,
	RMAP_FOLIO_DUP_FILE_RMAP = 36,
	RMAP_FOLIO_TRY_DUP_ANON_RMAP = 37,
	RMAP_FOLIO_TRY_SHARE_ANON_RMAP = 38,
	/* A page table entry is written, by anybody but a walk of these. */
	RMAP_ENTRY_SET = 39,
	/* Walks of the mappings of a folio. */
	RMAP_TRY_TO_UNMAP = 40,
	RMAP_TRY_TO_MIGRATE = 41,
	RMAP_FOLIO_REFERENCED = 42,
	RMAP_REMOVE_MIGRATION_PTES = 43,
	RMAP_FOLIO_MKCLEAN = 44,
	/*
	 * Before a walk of a file's pages, of VMAs that begin at the same page of the file: which
	 * comes next in the file's tree.
	 */
	RMAP_FILE_TREE_NEXT = 45,
	/* Of a large folio, by what is no call of the reverse map. */
	RMAP_FOLIO_SET_DEFERRED = 46,
	RMAP_FOLIO_SPLIT = 47,
	/* A table of the level above the lowest is there from now on, or not any more. */
	RMAP_TABLE_SET = 48,
	/* A walk again: until 6.14 a device gets all of a folio by one. */
	RMAP_FOLIO_MAKE_DEVICE_EXCLUSIVE = 49,
	/*
	 * Reported by a driver behind the interface, never called: page-table updates, and events
	 * of no call.
	 */
	RMAP_PAGES_ZAP = 0x100,
	RMAP_PAGES_COPY = 0x101,
	RMAP_PAGES_MOVE = 0x102,
	RMAP_OUTSIDE = 0x103,
};

struct rmap_call_mmap_write_lock {
	uint32_t mm;
};

struct rmap_call_mmap_read_lock {
	uint32_t mm;
};

struct rmap_call_mmap_unlock {
	uint32_t mm;
};

struct rmap_call_vm_area_alloc {
	uint32_t mm;
	struct rmap_range range;
};

struct rmap_call_vm_area_dup {
	uint32_t orig;	/* VMA */
	uint32_t mm;
	struct rmap_range range;
};

struct rmap_call_vm_area_free {
	uint32_t vma;
};

struct rmap_call_vma_set_range {
	uint32_t vma;
	struct rmap_range range;
};

struct rmap_call_vma_mark_attached {
	uint32_t vma;
};

struct rmap_call_vma_mark_detached {
	uint32_t vma;
};

struct rmap_call_vma_set_attributes {
	uint32_t vma;
	struct rmap_attributes attributes;
};

struct rmap_call_vma_set_mm {
	uint32_t vma;
	uint32_t mm;
};

struct rmap_call_vma_set_anon_vma {
	uint32_t vma;
	uint32_t anon_vma;	/* or RMAP_NONE */
};

struct rmap_call_anon_vma_prepare {
	uint32_t vma;
	uint32_t prev;	/* VMA or RMAP_NONE */
	uint32_t next;	/* VMA or RMAP_NONE */
};

struct rmap_call_anon_vma_clone {
	uint32_t dst;	/* VMA */
	uint32_t src;	/* VMA */
	uint32_t operation;	/* enum rmap_vma_operation */
};

struct rmap_call_anon_vma_fork {
	uint32_t vma;
	uint32_t pvma;
};

struct rmap_call_unlink_anon_vmas {
	uint32_t vma;
};

struct rmap_call_pre_update_vma {
	uint32_t vma;
	uint32_t offset_stays;	/* after the change its page offset is the same */
};

struct rmap_call_post_update_vma {
	uint32_t vma;
	uint32_t offset_stays;	/* after the change its page offset is the same */
};

struct rmap_call_anon_vma_lock_write {
	uint32_t anon_vma;	/* held until the unlock */
};

struct rmap_call_anon_vma_unlock_write {
	uint32_t anon_vma;
};

struct rmap_call_tree_pre_update_vma {
	uint32_t vma;
	uint32_t offset_stays;	/* after the change its page offset is the same */
};

struct rmap_call_tree_post_update_vma {
	uint32_t vma;
	uint32_t offset_stays;	/* after the change its page offset is the same */
};

struct rmap_call_folio_set_anon {
	uint32_t folio;
	uint32_t vma;
	uint64_t page;	/* virtual page */
	uint32_t exclusive;	/* 0 or 1 */
};

struct rmap_call_folio_move_anon_rmap {
	uint32_t folio;
	uint32_t vma;
};

struct rmap_call_folio_set_index {
	uint32_t folio;
	uint32_t vma;
	uint64_t page;	/* virtual page */
};

struct rmap_call_folio_free {
	uint32_t folio;
};

struct rmap_call_folio_get_anon_vma {
	uint32_t folio;
	uint32_t mapped;	/* 0 or 1 */
};

struct rmap_call_put_anon_vma {
	uint32_t anon_vma;
};

struct rmap_call_rmap_walk_anon {
	uint32_t folio;
	uint32_t mapped;	/* 0 or 1 */
	uint32_t mode;	/* enum rmap_walk_mode */
};

struct rmap_call_folio_alloc {
	uint32_t folio;
	uint32_t order;
};

struct rmap_call_folio_set_mapping {
	uint32_t folio;
	uint32_t anon_vma;	/* or RMAP_NONE: of a file, or none */
	uint64_t index;	/* 0 without an anon_vma */
};

struct rmap_call_folio_set_exclusive {
	uint32_t folio;
	uint32_t first;	/* which of its pages */
	uint32_t exclusive;	/* 0 or 1 */
};

struct rmap_call_table_set {
	uint32_t mm;
	uint64_t page;	/* the first of those that it is for */
	uint32_t present;	/* 0 or 1 */
};

struct rmap_call_folio_split {
	uint32_t folio;
	uint32_t order;	/* of each new folio */
};

struct rmap_call_folio_set_deferred {
	uint32_t folio;
	uint32_t deferred;	/* 0 or 1: it is on the list of folios to split */
	uint32_t partially_mapped;	/* 0 or 1 */
};

struct rmap_call_folio_add_new_anon_rmap {
	uint32_t folio;
	uint32_t vma;
	uint64_t page;	/* virtual page */
	uint32_t exclusive;	/* 0 or 1 */
};

struct rmap_call_folio_add_anon_rmap {
	uint32_t folio;
	uint32_t first;	/* which of its pages */
	uint32_t count;	/* of pages, from the first on */
	uint32_t vma;
	uint64_t page;	/* virtual page of the first */
	uint32_t exclusive;	/* 0 or 1 */
	uint32_t huge;	/* 0 or 1: one entry of a higher level, which maps all of them */
};

struct rmap_call_folio_add_file_rmap {
	uint32_t folio;
	uint32_t first;	/* which of its pages */
	uint32_t count;	/* of pages, from the first on */
	uint32_t vma;
};

struct rmap_call_folio_remove_rmap {
	uint32_t folio;
	uint32_t first;	/* which of its pages */
	uint32_t count;	/* of pages, from the first on */
	uint32_t vma;
	uint32_t huge;	/* 0 or 1: one entry of a higher level, which maps all of them */
};

struct rmap_call_folio_dup_file_rmap {
	uint32_t folio;
	uint32_t first;	/* which of its pages */
	uint32_t count;	/* of pages, from the first on */
	uint32_t child;	/* the child's VMA, or RMAP_NONE: the kernel is not told */
};

struct rmap_call_folio_try_dup_anon_rmap {
	uint32_t folio;
	uint32_t first;	/* which of its pages */
	uint32_t count;	/* of pages, from the first on */
	uint32_t child;	/* the child's VMA, or RMAP_NONE: the kernel is not told */
	uint32_t vma;	/* the parent's */
	uint32_t pinned;	/* 0 or 1: the pages may be pinned, by the parent */
	uint32_t huge;	/* 0 or 1: one entry of a higher level, which maps all of them */
};

struct rmap_call_folio_try_share_anon_rmap {
	uint32_t folio;
	uint32_t first;	/* which of its pages */
	uint32_t count;	/* of pages, from the first on */
	uint32_t pinned;	/* 0 or 1: the pages may be pinned */
	uint32_t huge;	/* 0 or 1: one entry of a higher level, which maps all of them */
};

/* A page table entry. */
struct rmap_entry {
	uint32_t bits;	/* enum rmap_page_entry; 0: none */
	uint32_t number;	/* frame or slot */
};

struct rmap_call_entry_set {
	uint32_t mm;
	uint64_t page;
	struct rmap_entry entry;
};

/* What a walk finds of the folio that the reverse map does not count. */
struct rmap_folio_found {
	uint32_t bits;	/* enum rmap_page_frame: dirty, swapbacked, in the swap cache, locked */
	uint32_t references;
	uint32_t slot;	/* of the swap device, of its first page, if it is in the swap cache */
	uint32_t file;	/* number of the file + 1; 0: it is no page of a file */
	uint64_t index;	/* of a page of a file: its page offset there */
	uint32_t poisoned;	/* its first page whose memory has failed + 1; 0: there is none */
};

struct rmap_call_try_to_unmap {
	uint32_t folio;
	uint32_t flags;	/* enum rmap_walk_flag */
	struct rmap_folio_found found;
};

struct rmap_call_try_to_migrate {
	uint32_t folio;
	uint32_t flags;	/* enum rmap_walk_flag */
	struct rmap_folio_found found;
};

struct rmap_call_folio_referenced {
	uint32_t folio;
	uint32_t locked;	/* 0 or 1: the caller says that it holds the folio's lock */
	struct rmap_folio_found found;
};

struct rmap_call_remove_migration_ptes {
	uint32_t folio;	/* whose frames the entries name */
	uint32_t to;	/* that they map from now on */
	uint32_t flags;	/* enum rmap_walk_flag */
	struct rmap_folio_found found;	/* of that */
};

struct rmap_call_folio_mkclean {
	uint32_t folio;
	struct rmap_folio_found found;
};

struct rmap_call_folio_make_device_exclusive {
	uint32_t folio;
	uint32_t mm;	/* for whose page a driver asks */
	uint64_t page;
	struct rmap_folio_found found;
};

struct rmap_call_file_tree_next {
	uint32_t vma;
};

struct rmap_call_pages_zap {
	uint32_t mm;
	uint64_t start;	/* page */
	uint64_t end;	/* page */
};

struct rmap_call_pages_copy {
	uint32_t mm;	/* the child */
	uint32_t from;	/* the parent */
	uint64_t start;	/* page */
	uint64_t end;	/* page */
};

struct rmap_call_pages_move {
	uint32_t mm;
	uint64_t start;	/* page */
	uint64_t end;	/* page */
	uint64_t to;	/* new place of the first page */
};

/* One call: the member of its kind holds the arguments. */
struct rmap_call {
	uint32_t kind;	/* enum rmap_call_kind */
	union {
		struct rmap_call_mmap_write_lock mmap_write_lock;
		struct rmap_call_mmap_read_lock mmap_read_lock;
		struct rmap_call_mmap_unlock mmap_unlock;
		struct rmap_call_vm_area_alloc vm_area_alloc;
		struct rmap_call_vm_area_dup vm_area_dup;
		struct rmap_call_vm_area_free vm_area_free;
		struct rmap_call_vma_set_range vma_set_range;
		struct rmap_call_vma_mark_attached vma_mark_attached;
		struct rmap_call_vma_mark_detached vma_mark_detached;
		struct rmap_call_vma_set_attributes vma_set_attributes;
		struct rmap_call_vma_set_mm vma_set_mm;
		struct rmap_call_vma_set_anon_vma vma_set_anon_vma;
		struct rmap_call_anon_vma_prepare anon_vma_prepare;
		struct rmap_call_anon_vma_clone anon_vma_clone;
		struct rmap_call_anon_vma_fork anon_vma_fork;
		struct rmap_call_unlink_anon_vmas unlink_anon_vmas;
		struct rmap_call_pre_update_vma pre_update_vma;
		struct rmap_call_post_update_vma post_update_vma;
		struct rmap_call_anon_vma_lock_write anon_vma_lock_write;
		struct rmap_call_anon_vma_unlock_write anon_vma_unlock_write;
		struct rmap_call_tree_pre_update_vma tree_pre_update_vma;
		struct rmap_call_tree_post_update_vma tree_post_update_vma;
		struct rmap_call_folio_set_anon folio_set_anon;
		struct rmap_call_folio_move_anon_rmap folio_move_anon_rmap;
		struct rmap_call_folio_set_index folio_set_index;
		struct rmap_call_folio_free folio_free;
		struct rmap_call_folio_get_anon_vma folio_get_anon_vma;
		struct rmap_call_put_anon_vma put_anon_vma;
		struct rmap_call_rmap_walk_anon rmap_walk_anon;
		struct rmap_call_folio_alloc folio_alloc;
		struct rmap_call_folio_set_mapping folio_set_mapping;
		struct rmap_call_folio_set_exclusive folio_set_exclusive;
		struct rmap_call_folio_split folio_split;
		struct rmap_call_table_set table_set;
		struct rmap_call_folio_set_deferred folio_set_deferred;
		struct rmap_call_folio_add_new_anon_rmap folio_add_new_anon_rmap;
		struct rmap_call_folio_add_anon_rmap folio_add_anon_rmap;
		struct rmap_call_folio_add_file_rmap folio_add_file_rmap;
		struct rmap_call_folio_remove_rmap folio_remove_rmap;
		struct rmap_call_folio_dup_file_rmap folio_dup_file_rmap;
		struct rmap_call_folio_try_dup_anon_rmap folio_try_dup_anon_rmap;
		struct rmap_call_folio_try_share_anon_rmap folio_try_share_anon_rmap;
		struct rmap_call_entry_set entry_set;
		struct rmap_call_try_to_unmap try_to_unmap;
		struct rmap_call_try_to_migrate try_to_migrate;
		struct rmap_call_folio_referenced folio_referenced;
		struct rmap_call_remove_migration_ptes remove_migration_ptes;
		struct rmap_call_folio_mkclean folio_mkclean;
		struct rmap_call_folio_make_device_exclusive folio_make_device_exclusive;
		struct rmap_call_file_tree_next file_tree_next;
		struct rmap_call_pages_zap pages_zap;
		struct rmap_call_pages_copy pages_copy;
		struct rmap_call_pages_move pages_move;
	} arguments;
};

/* How the slab treats freed objects. */
enum rmap_slab_mode {
	/* the next allocation gets the last freed object; never under AddressSanitizer */
	RMAP_SLAB_REUSE = 0,
	/* freed objects are poisoned and kept until the reset; AddressSanitizer's own way there */
	RMAP_SLAB_POISON = 1,
};

/* What advise says of a range. */
enum rmap_advice {
	RMAP_ADVICE_DONTFORK = 0,
	RMAP_ADVICE_DOFORK = 1,
	RMAP_ADVICE_WIPEONFORK = 2,
	RMAP_ADVICE_KEEPONFORK = 3,
};

/* What the kernel's VMA code is asked to do. */
enum rmap_operation_kind {
	RMAP_OP_MAP = 0,
	RMAP_OP_FAULT = 1,
	RMAP_OP_FORK = 2,
	RMAP_OP_UNMAP = 3,
	RMAP_OP_EXIT = 4,
	RMAP_OP_PROTECT = 5,
	RMAP_OP_ADVISE = 6,
	RMAP_OP_MOVE = 7,
	RMAP_OP_RESIZE = 8,
	RMAP_OP_GROW = 9,
	RMAP_OP_MLOCK = 10,
	RMAP_OP_MUNLOCK = 11,
	RMAP_OP_MLOCKALL = 12,
	RMAP_OP_MUNLOCKALL = 13,
	RMAP_OP_BRK = 14,
	RMAP_OP_WALK = 15,
	/* Of the kernel's own page-table code; without it they are refused. */
	RMAP_OP_TOUCH = 16,
	RMAP_OP_DONTNEED = 17,
	RMAP_OP_AGE = 18,
	RMAP_OP_SWAPOUT = 19,
	RMAP_OP_MIGRATE = 20,
	RMAP_OP_LAZYFREE = 21,
	RMAP_OP_PIN = 22,
	RMAP_OP_UNPIN = 23,
	RMAP_OP_MIGRATE_BEGIN = 24,
	RMAP_OP_MIGRATE_END = 25,
	RMAP_OP_CLEAN = 26,
	RMAP_OP_EXCLUSIVE = 27,
	RMAP_OP_SPLIT = 28,
	RMAP_OP_UFFDWP = 29,
	RMAP_OP_POISON = 30,
};

struct rmap_operation_map {
	uint64_t start;
	uint64_t end;
	uint32_t grows;	/* 0 or 1: VM_GROWSDOWN */
	uint32_t noreserve;	/* 0 or 1: VM_NORESERVE */
	uint32_t shared;	/* 0 or 1: VM_SHARED; of a file, with the page-table code */
	uint32_t file;	/* number of the file + 1; 0: anonymous */
};

struct rmap_operation_fault {
	uint64_t page;
	uint32_t read;	/* 0 or 1 */
	uint32_t order;	/* of the folio that it may bring in; 0 without the page-table code */
	uint32_t prepare;	/* 0 or 1: it needs an anon_vma. Returns the VMA */
};

struct rmap_operation_fork {
	uint32_t child;	/* mm */
};

struct rmap_operation_unmap {
	uint64_t start;
	uint64_t end;
};

struct rmap_operation_exit {
	uint32_t reserved;	/* 0 */
};

struct rmap_operation_protect {
	uint64_t start;
	uint64_t end;
	uint32_t write;	/* 0 or 1 */
};

struct rmap_operation_advise {
	uint64_t start;
	uint64_t end;
	uint32_t advice;	/* enum rmap_advice */
};

struct rmap_operation_move {
	uint64_t start;
	uint64_t end;
	uint64_t to;	/* new first page */
	uint32_t dontunmap;	/* 0 or 1 */
};

struct rmap_operation_resize {
	uint64_t start;
	uint64_t end;
	uint64_t pages;	/* new length */
};

struct rmap_operation_grow {
	uint64_t page;	/* of the VMA */
	uint64_t pages;	/* how many more */
};

struct rmap_operation_pin {
	uint64_t page;
};

struct rmap_operation_unpin {
	uint32_t frame;	/* that pin returned */
};

struct rmap_operation_migrate_begin {
	uint64_t page;
};

struct rmap_operation_migrate_end {
	uint32_t frame;	/* that migrate_begin returned: the folio's first */
};

struct rmap_operation_mlock {
	uint64_t start;
	uint64_t end;
};

struct rmap_operation_munlock {
	uint64_t start;
	uint64_t end;
};

struct rmap_operation_mlockall {
	uint32_t reserved;	/* 0 */
};

struct rmap_operation_munlockall {
	uint32_t reserved;	/* 0 */
};

struct rmap_operation_brk {
	uint64_t start;
	uint64_t end;
};

/*
 * With page tables of the kernel's own: folio_referenced() of the page's folio, or, if the mode is
 * RMAP_WALK_LOCKED, try_to_migrate() and remove_migration_ptes() to where it was. Returns 0.
 */
struct rmap_operation_walk {
	uint64_t page;
	uint32_t mode;	/* enum rmap_walk_mode */
};

/* The entry of a page is marked as the hardware marks it. */
struct rmap_operation_touch {
	uint64_t page;
	uint32_t write;	/* 0 or 1 */
};

struct rmap_operation_dontneed {
	uint64_t start;
	uint64_t end;
};

/* folio_referenced() of the page's folio. */
struct rmap_operation_age {
	uint64_t page;
};

/* try_to_unmap() of the page's folio, to swap or out of the page cache. */
struct rmap_operation_swapout {
	uint64_t page;
};

/* try_to_migrate() of the page's folio, and remove_migration_ptes() to new frames. */
struct rmap_operation_migrate {
	uint64_t page;
};

/* folio_mkclean() of the page's folio, which is then written to its file. */
struct rmap_operation_clean {
	uint64_t page;
};

/*
 * make_device_exclusive() of the page, or make_device_exclusive_range() until 6.14. -EOPNOTSUPP
 * where the tree has neither.
 */
struct rmap_operation_exclusive {
	uint64_t page;
};

/* split_folio() of the folio at the page. */
struct rmap_operation_split {
	uint64_t page;
};

/* The process's userfaultfd write-protects pages, or is not registered for them any more. */
struct rmap_operation_uffdwp {
	uint64_t start;
	uint64_t end;
	uint32_t off;	/* 0 or 1 */
};

/* The memory of a page fails. */
struct rmap_operation_poison {
	uint64_t page;
};

struct rmap_operation_lazyfree {
	uint64_t start;
	uint64_t end;
};

/* One operation: the member of its kind holds the arguments. */
struct rmap_operation {
	uint32_t kind;	/* enum rmap_operation_kind */
	uint32_t mm;	/* whose; of a fork the parent */
	union {
		struct rmap_operation_map map;
		struct rmap_operation_fault fault;
		struct rmap_operation_fork fork;
		struct rmap_operation_unmap unmap;
		struct rmap_operation_exit exit;
		struct rmap_operation_protect protect;
		struct rmap_operation_advise advise;
		struct rmap_operation_move move_to;
		struct rmap_operation_resize resize;
		struct rmap_operation_grow grow;
		struct rmap_operation_mlock mlock;
		struct rmap_operation_munlock munlock;
		struct rmap_operation_mlockall mlockall;
		struct rmap_operation_munlockall munlockall;
		struct rmap_operation_brk brk;
		struct rmap_operation_walk walk;
		struct rmap_operation_touch touch;
		struct rmap_operation_dontneed dontneed;
		struct rmap_operation_age age;
		struct rmap_operation_swapout swapout;
		struct rmap_operation_migrate migrate;
		struct rmap_operation_lazyfree lazyfree;
		struct rmap_operation_pin pin;
		struct rmap_operation_unpin unpin;
		struct rmap_operation_migrate_begin migrate_begin;
		struct rmap_operation_migrate_end migrate_end;
		struct rmap_operation_clean clean;
		struct rmap_operation_exclusive exclusive;
		struct rmap_operation_split split;
		struct rmap_operation_uffdwp uffdwp;
		struct rmap_operation_poison poison;
	} arguments;
};

/*
 * One thing seen while the VMA code runs: a call of the interface, its result, its events, and the
 * state it touched.
 */
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

/* What a task is about to do where it may be switched. */
enum rmap_point_kind {
	RMAP_POINT_LOCK = 1,
	RMAP_POINT_UNLOCK = 2,
	RMAP_POINT_TRYLOCK = 3,
	RMAP_POINT_ALLOC = 4,
	RMAP_POINT_FREE = 5,
	RMAP_POINT_GET = 6,			/* also inc_not_zero; a mapcount goes up */
	RMAP_POINT_PUT = 7,			/* dec_and_test; a mapcount goes down */
	RMAP_POINT_RCU = 8,			/* rcu_read_lock() */
	RMAP_POINT_UNRCU = 9,
	RMAP_POINT_READ = 10,		/* the mapcount of a folio of one page */
	RMAP_POINT_RESCHED = 11,	/* cond_resched() */
	RMAP_POINT_WAIT = 12,		/* another task holds what it wants */
	/* Of the kernel's text, in a build that tells them, where they are asked for. */
	RMAP_POINT_LOAD = 13,
	RMAP_POINT_STORE = 14,
};

/* To what: the objects of a cache, and locks. */
enum rmap_point_class {
	RMAP_POINT_OF_NONE = 0,
	RMAP_POINT_OF_ANON_VMA = 1,	/* its lock, its count, itself; object: its serial */
	RMAP_POINT_OF_AVC = 2,
	RMAP_POINT_OF_VMA = 3,		/* its lock, itself; object: its serial */
	RMAP_POINT_OF_MMAP = 4,		/* the lock of an mm; object: the process */
	RMAP_POINT_OF_PAGE_TABLE = 5,	/* the spinlock of an mm; object: the process, or none */
	RMAP_POINT_OF_FOLIO = 6,		/* its lock, its mapcount; object: its frame */
	RMAP_POINT_OF_FILE = 7,		/* the lock of the VMAs that map a file */
	RMAP_POINT_OF_PTE = 8,		/* the lock of a page table; object: its frame */
};

struct rmap_point {
	uint8_t kind;			/* enum rmap_point_kind */
	uint8_t of;			/* enum rmap_point_class */
	uint16_t unused;
	uint32_t object;		/* RMAP_NONE: none yet */
	const void *from;		/* of a load or a store: where in the kernel's text it is */
	/* Of a task that is followed, in a call: that, and what it has done so far. Or NULL. */
	const struct rmap_call *call;
	const struct rmap_event *events;
	uint32_t nr_events;
	/* In a walk: what the folio was when a page table was locked last. Or NULL. */
	const struct rmap_folio_found *found;
};

/* Told of each point; comes back when the task is to go on. */
typedef void (*rmap_scheduler)(void *context, const struct rmap_point *point);

/* A task of a section, and what it does. */
struct rmap_task_start {
	uint32_t number;		/* 1 to RMAP_MAX_TASKS */
	struct rmap_operation operation;
	struct rmap_fail fail, node_fail, page_fail;
	uint32_t followed;		/* 0: the watcher is told of nothing but what is wrong */
	uint32_t accesses;		/* loads and stores are points too, but for those of */
	uint64_t stack, stack_bytes;	/* its own stack */
	rmap_watcher watcher;		/* else of each call, without the state */
	void *watcher_context;
	rmap_scheduler scheduler;
	void *scheduler_context;
};

#define RMAP_MAX_TASKS 3

/* How a task ended. */
struct rmap_task_end {
	int32_t result;			/* 0 or a serial, or a negative errno */
	uint32_t injected;		/* how many allocations were made to fail */
};

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
	/* Bytes of an object of each: the kernel's structure, and what is added to observe it. */
	void (*sizes)(uint32_t structure[3], uint32_t added[3]);
	/* Condition and place of the last WARN, BUG or oops; empty if none. */
	const char *(*last_warning)(const struct rmap_world *world);
	/*
	 * The VMA layer; NULL where there is none. Does one operation, telling the watcher all that
	 * it does; 0 or a serial, or a negative errno. node_fail: the same as the failures, of the
	 * allocations of maple tree nodes. With NULL as the watcher nothing is told, of this
	 * operation and of those after it until the reset.
	 */
	int32_t (*operate)(struct rmap_world *world, const struct rmap_operation *operation,
			   const struct rmap_fail *node_fail, rmap_watcher watcher, void *context);
	/*
	 * What is mapped in a process, by the mm's own tree: map_count, total_vm, whether the tree
	 * is in RCU mode or need not be (MM_MT_FLAGS until 6.2), then of each VMA its serial,
	 * start, end, pgoff, flags | file << 32 as in a state stream, anon_vma + 1 or 0, and how
	 * many entries its chain has, 2 standing for more.
	 */
	const uint64_t *(*space)(struct rmap_world *world, uint32_t mm, uint32_t *count);
	/*
	 * How many allocations of the current operation were made to fail, nodes, frames and page
	 * tables included.
	 */
	uint32_t (*injected)(const struct rmap_world *world);
	/*
	 * The kernel's page-table code; NULL where there is none. What the page tables hold, and
	 * the counters around them: a stream of rmap_page_stream records.
	 */
	const uint64_t *(*page_tables)(struct rmap_world *world, enum rmap_page_reading reading,
				       uint32_t *count);
	/*
	 * Which allocations of frames, page tables and slots of the swap device of the next
	 * operations fail, counted from begin_operation() on.
	 */
	void (*fail_pages)(struct rmap_world *world, const struct rmap_fail *fail);
	/*
	 * Several tasks, with the kernel's page-table code; NULL where there is none. run_task()
	 * does the operation of one, each on a stack of its own. begin_tasks() comes before the
	 * first. end_tasks() comes after the last: what is checked at the end of an operation is
	 * checked there. Tasks are given up in the middle by reset() or destroy().
	 */
	void (*begin_tasks)(struct rmap_world *world);
	void (*run_task)(struct rmap_world *world, const struct rmap_task_start *start,
			 struct rmap_task_end *end);
	void (*end_tasks)(struct rmap_world *world, rmap_watcher watcher, void *context);
	/* 1 if compiled with the fuzzer's coverage counters. */
	uint32_t instrumented;
};

#endif /* RMAP_ABI_H */
