/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the types that structures of the page-table code hold, and that do nothing in them. */
#ifndef PAGES_TYPES_H
#define PAGES_TYPES_H

#include <asm/pgtable.h>
#include <linux/kconfig.h>
#include <linux/percpu_counter.h>
#include <linux/seqlock.h>
#include <linux/types.h>

struct dev_pagemap;
struct pt_regs;
struct task_struct;
struct inode;
struct lruvec;
struct swap_info_struct;
struct swap_cluster_info;
struct xa_state;

/* --- Duplicate --- */

/* The kernel's use of the word, which this C does not have yet. */
#define auto __auto_type

#define __releases(lock)
#define __acquires(lock)

struct llist_node {
	struct llist_node *next;
};

#define order_base_2(n) ((n) > 1 ? 64 - __builtin_clzl((n) - 1ul) : 0)

/* --- Custom --- */

/* Which CPUs a batched flush is for. */
struct arch_tlbflush_unmap_batch {
	int unused;
};

#endif /* PAGES_TYPES_H */
