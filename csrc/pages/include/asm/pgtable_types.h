/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in: entries of page tables of four levels. A present entry holds a frame's number above
 * PAGE_SHIFT and bits of this file's own below.
 */
#ifndef _ASM_PGTABLE_TYPES_H
#define _ASM_PGTABLE_TYPES_H

#include <asm/page.h>

/* --- Custom --- */

typedef struct {
	unsigned long pgprot;
} pgprot_t;

typedef struct {
	unsigned long pte;
} pte_t;

typedef struct {
	unsigned long pmd;
} pmd_t;

typedef struct {
	unsigned long pud;
} pud_t;

typedef struct {
	unsigned long pgd;
} pgd_t;

/* This level is folded into the one above. */
typedef struct {
	pgd_t pgd;
} p4d_t;

/* A table of the lowest level is named by its page. */
typedef struct page *pgtable_t;

#define __pgprot(x) ((pgprot_t) { (x) })
#define __pte(x) ((pte_t) { (x) })
#define __pmd(x) ((pmd_t) { (x) })
#define __pud(x) ((pud_t) { (x) })
#define __pgd(x) ((pgd_t) { (x) })
#define __p4d(x) ((p4d_t) { __pgd(x) })
#define pgprot_val(x) ((x).pgprot)
#define pte_val(x) ((x).pte)
#define pmd_val(x) ((x).pmd)
#define pud_val(x) ((x).pud)
#define pgd_val(x) ((x).pgd)
#define p4d_val(x) pgd_val((x).pgd)

/* --- Duplicate --- */

#define PMD_SHIFT 21
#define PMD_SIZE (1ul << PMD_SHIFT)
#define PMD_MASK (~(PMD_SIZE - 1))
#define PUD_SHIFT 30
#define PUD_SIZE (1ul << PUD_SHIFT)
#define PUD_MASK (~(PUD_SIZE - 1))
#define P4D_SHIFT 39
#define P4D_SIZE (1ul << P4D_SHIFT)
#define P4D_MASK (~(P4D_SIZE - 1))
#define PGDIR_SHIFT 39
#define PGDIR_SIZE (1ul << PGDIR_SHIFT)
#define PGDIR_MASK (~(PGDIR_SIZE - 1))
#define PTRS_PER_PTE 512
#define PTRS_PER_PMD 512
#define PTRS_PER_PUD 512
#define PTRS_PER_P4D 1
#define PTRS_PER_PGD 512
#define MAX_PTRS_PER_PTE PTRS_PER_PTE
#define MAX_PTRS_PER_P4D PTRS_PER_P4D

#endif /* _ASM_PGTABLE_TYPES_H */
