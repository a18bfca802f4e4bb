/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the types of the page tables, which the page model of the other side keeps. */
#ifndef _ASM_PGTABLE_TYPES_H
#define _ASM_PGTABLE_TYPES_H

/* --- Custom --- */

typedef struct { unsigned long pgprot; } pgprot_t;
typedef struct { unsigned long v; } pgd_t, p4d_t, pud_t, pmd_t, pte_t;

/* --- Duplicate --- */

#define PMD_SIZE (1ul << 21)

#endif
