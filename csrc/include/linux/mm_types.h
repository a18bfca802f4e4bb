/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in: the fields that the cut code reads of an mm, a folio and a page; every folio is one
 * page. With the VMA layer the kernel's own VMA is cut; without it the VMA is what a driver outside
 * keeps: 7.x wraps its flags in a type of its own, 7.3 keeps an anonymous page offset apart.
 */
#ifndef _LINUX_MM_TYPES_H
#define _LINUX_MM_TYPES_H

#include <asm/page.h>
#include <asm/pgtable_types.h>
#include <asm/tlb.h>
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/cache.h>
#include <linux/init.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/maple_tree.h>
#include <linux/mempolicy.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#ifdef RMAP_PAGES
#include "pages/types.h"
#endif

struct address_space;
struct anon_vma;
struct file;

/* --- Duplicate --- */

typedef unsigned long vm_flags_t;

/* Above those of the tree, some of which are cut. */
#define MMF_OOM_SKIP 40
#define MMF_UNSTABLE 41
#define MMF_HAS_MDWE 42
#define MMF_HAS_PINNED 43
#define MMF_DISABLE_THP 44

/* --- Custom --- */

enum mmap_lock_state { MMAP_UNLOCKED, MMAP_READ_LOCKED, MMAP_WRITE_LOCKED };

#ifndef RMAP_PAGES
struct page {
	struct address_space *mapping;
	pgoff_t index;
};

struct folio {
	union {
		struct {
			struct address_space *mapping;
			pgoff_t index;
		};
		struct page page;
	};
	bool mapped;
	bool locked;
	bool anon_exclusive;
};
#endif

#ifdef RMAP_VMA_LAYER
#include "stubs/cut_types.h"
#else
typedef struct {
	unsigned long bits;
} vma_flags_t;

struct vm_area_struct {
	unsigned long vm_start;			/* bytes */
	unsigned long vm_end;			/* bytes, exclusive */
	struct vm_area_struct *vm_next, *vm_prev;	/* neighbours in anon_vma_prepare() */
	struct mm_struct *vm_mm;
	unsigned long vm_pgoff;			/* pages */
	union {
		vm_flags_t vm_flags;
		vma_flags_t flags;
	};
	struct file *vm_file;
	struct mempolicy *vm_policy;
	struct list_head anon_vma_chain;
	struct anon_vma *anon_vma;
	struct {
		struct rb_node rb;
		unsigned long rb_subtree_last;
	} shared;
	uint32_t __vm_anon_pgoff_lo;
	uint32_t __vm_anon_pgoff_hi;
	bool attached;
};
#endif

struct mm_struct {
	uint32_t id;
	enum mmap_lock_state mmap_lock;
	uint16_t mmap_tasks;		/* who holds it, a bit each */
	uint32_t write_cycles;		/* how often it was held for writing */
	spinlock_t page_table_lock;
#ifdef RMAP_VMA_LAYER
	struct maple_tree mm_mt;
	int map_count;
	unsigned long total_vm, locked_vm, exec_vm, stack_vm, data_vm, hiwater_vm, flags;
	union {
		unsigned long def_flags;
#ifdef RMAP_VMA_FLAGS_T
		vma_flags_t def_vma_flags;
#endif
	};
	bool alive;
#ifdef RMAP_PAGES
	pgd_t *pgd;
	atomic_long_t pgtables_bytes;
	atomic_t mm_users, tlb_flush_pending, tlb_flush_batched;
	seqcount_t write_protect_seq;
	struct percpu_counter rss_stat[NR_MM_COUNTERS];
	unsigned long hiwater_rss;
	struct list_head mmlist;
	pgtable_t pmd_huge_pte;
#ifdef RMAP_MM_ID
	mm_id_t mm_id;
#endif
#endif
#else
	int mm_mt;				/* its address is all that is taken */
#endif
};

#endif /* _LINUX_MM_TYPES_H */
