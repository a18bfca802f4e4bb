/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page layer of a world: frames with their struct page, the memory of page tables, and the
 * counters of the node.
 *
 * Frames are numbered from 1 in the order in which they were first used since the last reset. The
 * frames of a folio follow one another, and the first is a multiple of how many they are. What was
 * freed is the next of its order to be used, so that the same operations use the same frames.
 */
#ifndef PAGES_LAYER_H
#define PAGES_LAYER_H

#include <linux/types.h>
#include "stubs/world.h"

struct folio;
struct list_lru_one;
struct mm_struct;
struct page;
struct pglist_data;

#define FRAMES_MAX (1u << 18)
#define ORDER_MAX 9		/* of a folio */
#define ZERO_FRAME 1		/* read faults of anonymous memory map it */
#define NODE_COUNTERS 96
#define STALE_WORDS 16

/* The memory of a page table; what lies behind it is poisoned under AddressSanitizer. */
struct table_memory {
	unsigned long entries[512];
	uint32_t frame;
	uint32_t at;		/* in the list of those in use */
	struct table_memory *next;	/* of those that are free */
};

struct frame_notes {
	struct table_memory *table;	/* NULL: no page table */
	uint64_t content;		/* what is in the page */
	uint64_t base;			/* of a page table that is in use: the first page of it */
	bool linked;			/* a page table that is in use */
	uint8_t level;			/* 0: the lowest */
	uint16_t first, end;		/* entries that were written to since it was new */
	const struct mm_struct *mm;	/* whose */
	uint32_t next_free;		/* of its order */
	bool live;
	/* Of the first frame of a folio: what the calls told of last. */
	bool told;
	uint8_t order;
	void *mapping;			/* NULL: not of an anon_vma */
	uint64_t index;
	uint32_t anon_vma;		/* the serial, or RMAP_NONE */
	uint32_t deferral;		/* whether it waits to be split, and why */
	uint32_t pins;			/* of operations */
	uint32_t lockers;		/* in memory */
	uint32_t migrates_to;		/* the first frame of the other folio; 0: none */
	bool migrating, migrated;	/* of either */
	bool taken_out;			/* when it, or what it was moved from, was marked */
	bool kept;			/* its memory has failed: a reference is kept */
	bool on_lru;			/* reclaim would find it */
};

/* A frame as it was when it was told of last, with all that its words follow from. */
struct told_frame {
	struct page page;
	struct frame_notes notes;
	uint64_t anon_vma;		/* as told_anon_vma() says */
	uint64_t stored;		/* of a page of a file: what is stored */
	bool told;			/* and has not gone since */
};

/* A slot of the swap device. */
struct swap_slot {
	uint32_t count;			/* entries that name it */
	struct folio *folio;		/* in the swap cache; or NULL */
	uint64_t content;		/* what was written there */
	bool claimed;			/* by a fault that reads it */
};

/* A page of a file that is in memory, or was. */
struct file_page {
	struct address_space *mapping;
	uint64_t index;
	struct folio *folio;		/* in memory; or NULL */
	uint64_t content;		/* what is stored */
};

/* Of a page of an mm, or of the pages of a page table. */
struct stale_translation {
	const struct mm_struct *mm;
	uint64_t page, pages;
	unsigned long entry;		/* as it was */
	uint32_t task;			/* who changed it, and flushes */
};

/* What a process has registered memory with. */
struct userfaultfd_ctx {
	unsigned int features;		/* 0 */
	struct mm_struct *mm;
};

/* A mapping of a folio that a task takes out of the page tables. */
struct watched_mapping {
	const struct mm_struct *mm;
	uint64_t page;			/* where it is now */
	uint32_t frame;
	uint32_t taken;			/* the task that cleared it; 0: it is there */
};

#define WATCHED_MAPPINGS_MAX 32

struct watched_walk {
	struct watched_mapping mappings[WATCHED_MAPPINGS_MAX];
	uint32_t nr;
	bool left;			/* one that the walk came to is still there */
};

struct page_layer {
	struct watched_walk watched_walks[RMAP_MAX_TASKS];
	struct userfaultfd_ctx userfaults[RMAP_MAX_PROCESSES];
	struct page *frames;
	struct frame_notes *notes;
	uint32_t nr_frames;		/* used since the reset, the unused frame 0 too */
	uint32_t first_free[ORDER_MAX + 1];	/* by order; 0: none */
	uint32_t live_pages;
	bool any_poisoned;		/* some page has failed since the reset */
	struct table_memory **tables;	/* in use */
	uint32_t nr_tables, max_tables;
	struct table_memory *free_tables;
	struct stale_translation *stale;	/* what TLBs may hold */
	uint32_t nr_stale, max_stale;
	uint64_t may_be_stale[STALE_WORDS];	/* of which pages, by a few of their bits */
	uint64_t pinning;		/* mms that have pinned a page */
	uint64_t writes;		/* to pages, since the reset */
	struct mm_struct *first_mm;	/* the head of those that have pages in swap */
	unsigned long huge_settings;	/* what an administrator could set else: 0 */
	unsigned long huge_zero;	/* the frame of the huge zero page: none */
	struct folio *huge_zero_folio;	/* NULL */
	struct list_lru_one *deferred;	/* folios to split */
	struct pglist_data *node_data;
	struct swap_slot *slots;	/* from 1 on */
	uint32_t nr_slots, max_slots;
	struct file_page *file_pages;
	uint32_t nr_file_pages, max_file_pages;
	long node[NODE_COUNTERS];	/* by the tree's node_stat_item */
	/* Of those whose page tables were read: what has changed since. */
	struct told_frame *told;	/* by frame */
	uint32_t nr_told;		/* frames from here on were not told of */
	uint32_t told_tables[RMAP_MAX_PROCESSES];	/* how many the mm had */
	uint32_t changed_mms;		/* an entry of theirs was written, a bit each */
};

static void page_layer_count(unsigned int item, long amount);
static void folio_born(struct folio *folio);
static void folio_gone(struct folio *folio);
static void folio_mlocked(struct folio *folio, bool locked);
static void page_layer_fill(struct page *page, uint64_t content);
static uint64_t page_layer_content(const struct page *page);
static bool page_layer_has(const void *count);
static uint32_t page_layer_mapcount(const void *count);
static void entry_written(const struct mm_struct *mm, unsigned long page, unsigned long old,
			  unsigned long entry);
static void huge_entry_written(const struct mm_struct *mm, unsigned long page, unsigned long old,
			       unsigned long entry);
static void table_told(const struct mm_struct *mm, uint64_t page, bool present);
static void tlb_flushed(struct mm_struct *mm);
static void table_emptied(const struct page *page);
static void table_range_ends(const struct page *page);

#endif /* PAGES_LAYER_H */
