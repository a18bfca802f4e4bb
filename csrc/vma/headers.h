/* SPDX-License-Identifier: GPL-2.0-only */
/* The headers of the kernel's VMA code: it is cut by need, without its #include lines. */
#ifndef VMA_HEADERS_H
#define VMA_HEADERS_H

#include <asm/cacheflush.h>
#include <asm/mmu_context.h>
#include <asm/processor.h>
#include <asm/tlb.h>
#include <asm/tlbflush.h>
#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/kernel.h>
#include <linux/maple_tree.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/personality.h>
#include <linux/pgtable.h>
#include <linux/pkeys.h>
#include <linux/rmap.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include "vma/internal.h"
#include "vma/madvise.h"
#ifdef RMAP_PAGES
#include "pages/headers.h"
#else
#include "vma/page_tables.h"
#endif

#endif /* VMA_HEADERS_H */
