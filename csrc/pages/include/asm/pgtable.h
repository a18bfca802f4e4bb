/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in: the architecture's view of an entry. An absent entry that is not 0 is a swap entry: its
 * type and offset, the exclusive bit, and those of userfaultfd and of soft-dirty tracking. The
 * accessed and the dirty bit are 0 in it.
 */
#ifndef _ASM_PGTABLE_H
#define _ASM_PGTABLE_H

#include <asm/pgtable_types.h>
#include <linux/compiler.h>
#include <linux/types.h>

struct mm_struct;
struct vm_area_struct;

static void entry_written(const struct mm_struct *mm, unsigned long page, unsigned long old,
			  unsigned long entry);
static void table_unlinked(unsigned long entry);
static void huge_write(void *entry, unsigned long value);
static void table_written(const void *entry);
static void check_entry_lock(const pte_t *ptep);
static void frame_of_absent_read(unsigned long entry);

/* The bits of an entry. */
#define ENTRY_PRESENT 0x001ul
#define ENTRY_WRITE 0x002ul
#define ENTRY_USER 0x040ul
#define ENTRY_ACCESSED 0x008ul
#define ENTRY_DIRTY 0x010ul
#define ENTRY_SPECIAL 0x020ul
#define ENTRY_NONE 0x004ul		/* present for the kernel alone; of no absent entry */
#define ENTRY_HUGE 0x080ul		/* of a present entry of a higher level: no table */
#define ENTRY_UFFD 0x100ul		/* userfaultfd has write-protected it */
#define ENTRY_SOFT_DIRTY 0x200ul	/* it was written to, or it is new */
#define ENTRY_BITS (PAGE_SIZE - 1)
/* Of an absent entry. */
#define SWAP_EXCLUSIVE 0x002ul
#define SWAP_UFFD 0x020ul
#define SWAP_SOFT_DIRTY 0x040ul
/* The offset begins above PAGE_SHIFT, where the frame's number of a present entry begins. */
#define SWAP_TYPE_SHIFT 8
#define SWAP_TYPE_BITS 5
#define SWAP_OFFSET_SHIFT (SWAP_TYPE_SHIFT + SWAP_TYPE_BITS)
/* The offset has room for a frame's number, and for two bits of a migration above it. */
#define MAX_PHYSMEM_BITS 46

/* --- Custom --- */

#define _PAGE_PRESENT ENTRY_PRESENT
#define _PAGE_RW ENTRY_WRITE
#define PAGE_NONE __pgprot(ENTRY_NONE | ENTRY_ACCESSED)
#define PAGE_READONLY __pgprot(ENTRY_PRESENT | ENTRY_USER | ENTRY_ACCESSED)
#define PAGE_SHARED __pgprot(ENTRY_PRESENT | ENTRY_WRITE | ENTRY_USER | ENTRY_ACCESSED)

#define pte_none(pte) (!pte_val(pte))
#define pmd_none(pmd) (!pmd_val(pmd))
#define pud_none(pud) (!pud_val(pud))
#define pmd_present(pmd) (pmd_val(pmd) & (ENTRY_PRESENT | ENTRY_NONE))
#define pud_present(pud) (pud_val(pud) & ENTRY_PRESENT)
#define pmd_bad(pmd) ((pmd_val(pmd) & (ENTRY_PRESENT | ENTRY_HUGE)) != ENTRY_PRESENT)
#define pud_bad(pud) (!pud_present(pud))
#define pmd_ERROR(pmd) BUG()
#define pud_ERROR(pud) BUG()
#define p4d_ERROR(p4d) BUG()
#define pgd_ERROR(pgd) BUG()

static inline bool pte_present(pte_t pte)
{
	return pte_val(pte) & (ENTRY_PRESENT | ENTRY_NONE);
}

static inline bool pte_write(pte_t pte)
{
	return pte_val(pte) & ENTRY_WRITE;
}

static inline bool pte_dirty(pte_t pte)
{
	return pte_val(pte) & ENTRY_DIRTY;
}

static inline bool pte_young(pte_t pte)
{
	return pte_val(pte) & ENTRY_ACCESSED;
}

static inline bool pte_special(pte_t pte)
{
	return pte_val(pte) & ENTRY_SPECIAL;
}

static inline bool pte_uffd(pte_t pte)
{
	return pte_val(pte) & ENTRY_UFFD;
}

static inline pte_t pte_with(pte_t pte, unsigned long bits)
{
	return __pte(pte_val(pte) | bits);
}

static inline pte_t pte_without(pte_t pte, unsigned long bits)
{
	return __pte(pte_val(pte) & ~bits);
}

static inline pte_t pte_wrprotect(pte_t pte)
{
	return pte_without(pte, ENTRY_WRITE);
}

static inline pte_t pte_mkwrite_novma(pte_t pte)
{
	return pte_with(pte, ENTRY_WRITE);
}

static inline pte_t pte_mkclean(pte_t pte)
{
	return pte_without(pte, ENTRY_DIRTY);
}

/* As x86 does: what the kernel marks as written to is soft-dirty, too; the processor does not. */
static inline pte_t pte_mkdirty(pte_t pte)
{
	return pte_with(pte, ENTRY_DIRTY | ENTRY_SOFT_DIRTY);
}

static inline pte_t pte_mkold(pte_t pte)
{
	return pte_without(pte, ENTRY_ACCESSED);
}

static inline pte_t pte_mkyoung(pte_t pte)
{
	return pte_with(pte, ENTRY_ACCESSED);
}

static inline pte_t pte_mkspecial(pte_t pte)
{
	return pte_with(pte, ENTRY_SPECIAL);
}

static inline pte_t pte_mkuffd(pte_t pte)
{
	return pte_wrprotect(pte_with(pte, ENTRY_UFFD));
}

static inline pte_t pte_clear_uffd(pte_t pte)
{
	return pte_without(pte, ENTRY_UFFD);
}

static inline bool pte_soft_dirty(pte_t pte)
{
	return pte_val(pte) & ENTRY_SOFT_DIRTY;
}

static inline pte_t pte_mksoft_dirty(pte_t pte)
{
	return pte_with(pte, ENTRY_SOFT_DIRTY);
}

static inline pte_t pte_clear_soft_dirty(pte_t pte)
{
	return pte_without(pte, ENTRY_SOFT_DIRTY);
}

/* Of an entry that is not present it is no frame's number. */
static inline unsigned long pte_pfn(pte_t pte)
{
	if (unlikely(!pte_present(pte)))
		frame_of_absent_read(pte_val(pte));
	return pte_val(pte) >> PAGE_SHIFT;
}

static inline unsigned long pmd_pfn(pmd_t pmd)
{
	return pmd_val(pmd) >> PAGE_SHIFT;
}

static inline unsigned long pud_pfn(pud_t pud)
{
	return pud_val(pud) >> PAGE_SHIFT;
}

static inline pte_t pfn_pte(unsigned long pfn, pgprot_t prot)
{
	return __pte(pfn << PAGE_SHIFT | pgprot_val(prot));
}

#define mk_pte(page, prot) pfn_pte(page_to_pfn(page), prot)

/* The protection changes; what the page was used for stays, and what userfaultfd did. */
static inline pte_t pte_modify(pte_t pte, pgprot_t prot)
{
	unsigned long stays = ~ENTRY_BITS | ENTRY_ACCESSED | ENTRY_DIRTY | ENTRY_SPECIAL |
			      ENTRY_UFFD | ENTRY_SOFT_DIRTY;

	return __pte((pte_val(pte) & stays) | (pgprot_val(prot) & ~stays));
}

static inline pgprot_t pgprot_modify(pgprot_t old, pgprot_t prot)
{
	return prot;
}

/* A huge page: the same bits, and ENTRY_HUGE. */

static inline bool pmd_trans_huge(pmd_t pmd)
{
	return pmd_present(pmd) && (pmd_val(pmd) & ENTRY_HUGE);
}

#define pmd_leaf pmd_trans_huge
#define pud_leaf(pud) false

#define PMD_TEST(name)							\
	static inline bool pmd_##name(pmd_t pmd)			\
	{								\
		return pte_##name(__pte(pmd_val(pmd)));			\
	}
#define PMD_CHANGE(name)						\
	static inline pmd_t pmd_##name(pmd_t pmd)			\
	{								\
		return __pmd(pte_val(pte_##name(__pte(pmd_val(pmd)))));	\
	}

PMD_TEST(write)
PMD_TEST(dirty)
PMD_TEST(young)
PMD_TEST(uffd)
PMD_TEST(soft_dirty)
PMD_CHANGE(mkuffd)
PMD_CHANGE(clear_uffd)
PMD_CHANGE(mksoft_dirty)
PMD_CHANGE(clear_soft_dirty)
PMD_CHANGE(wrprotect)
PMD_CHANGE(mkwrite_novma)
PMD_CHANGE(mkclean)
PMD_CHANGE(mkdirty)
PMD_CHANGE(mkold)
PMD_CHANGE(mkyoung)

#define pmd_dirty pmd_dirty
#define pmd_young pmd_young

static inline pmd_t pmd_mkhuge(pmd_t pmd)
{
	return __pmd(pmd_val(pmd) | ENTRY_HUGE);
}

/* While it is changed it is present for the kernel alone. */
static inline pmd_t pmd_mkinvalid(pmd_t pmd)
{
	return __pmd((pmd_val(pmd) & ~ENTRY_PRESENT) | ENTRY_NONE);
}

static inline pmd_t pmd_modify(pmd_t pmd, pgprot_t prot)
{
	unsigned long huge = pmd_val(pmd) & ENTRY_HUGE;

	return __pmd(pte_val(pte_modify(__pte(pmd_val(pmd)), prot)) | huge);
}

static inline pmd_t pfn_pmd(unsigned long pfn, pgprot_t prot)
{
	return __pmd(pfn << PAGE_SHIFT | pgprot_val(prot));
}

#define mk_pmd(page, prot) pfn_pmd(page_to_pfn(page), prot)

/* Whether an entry of the level above the lowest stands for a huge page, or one that migrates. */
static inline bool is_huge(unsigned long entry)
{
	return entry & (ENTRY_PRESENT | ENTRY_NONE) ? entry & ENTRY_HUGE : entry != 0;
}

/* Every entry of a huge page is written by huge_write(), and told: its table says whose it is. */
static inline void set_pmd_at(struct mm_struct *mm, unsigned long addr, pmd_t *pmdp, pmd_t pmd)
{
	huge_write(pmdp, pmd_val(pmd));
}

static inline pmd_t pmdp_establish(struct vm_area_struct *vma, unsigned long addr, pmd_t *pmdp,
				   pmd_t pmd)
{
	pmd_t old = *pmdp;

	huge_write(pmdp, pmd_val(pmd));
	return old;
}

static inline bool huge_pmd_needs_flush(pmd_t old, pmd_t pmd)
{
	return pmd_val(old) != pmd_val(pmd);
}

/* Every entry of the lowest tables is written by this, and told. */
static inline void entry_write(struct mm_struct *mm, unsigned long addr, pte_t *ptep, pte_t pte)
{
	unsigned long old = pte_val(*ptep);

	if (old == pte_val(pte))
		return;
	*ptep = pte;
	table_written(ptep);
	entry_written(mm, addr >> PAGE_SHIFT, old, pte_val(pte));
}

static inline void set_ptes(struct mm_struct *mm, unsigned long addr, pte_t *ptep, pte_t pte,
			    unsigned int nr)
{
	check_entry_lock(ptep);
	for (unsigned int i = 0; i < nr; i++)
		entry_write(mm, addr + i * PAGE_SIZE, ptep + i,
			    __pte(pte_val(pte) + i * PAGE_SIZE));
}

#define set_ptes set_ptes

static inline void pte_clear(struct mm_struct *mm, unsigned long addr, pte_t *ptep)
{
	check_entry_lock(ptep);
	entry_write(mm, addr, ptep, __pte(0));
}

static inline void pmd_clear(pmd_t *pmd)
{
	if (is_huge(pmd_val(*pmd))) {
		huge_write(pmd, 0);
		return;
	}
	table_unlinked(pmd_val(*pmd));
	*pmd = __pmd(0);
	table_written(pmd);
}

static inline void pud_clear(pud_t *pud)
{
	table_unlinked(pud_val(*pud));
	*pud = __pud(0);
	table_written(pud);
}

/* The folded level. */

static inline p4d_t *p4d_offset(pgd_t *pgd, unsigned long address)
{
	return (p4d_t *)pgd;
}

static inline bool pgd_none(pgd_t pgd)
{
	return false;
}

static inline bool pgd_bad(pgd_t pgd)
{
	return false;
}

static inline bool pgd_present(pgd_t pgd)
{
	return true;
}

static inline void pgd_clear(pgd_t *pgd)
{
}

static inline bool p4d_none(p4d_t p4d)
{
	return !p4d_val(p4d);
}

static inline bool p4d_bad(p4d_t p4d)
{
	return !(p4d_val(p4d) & ENTRY_PRESENT);
}

static inline bool p4d_present(p4d_t p4d)
{
	return p4d_val(p4d) & ENTRY_PRESENT;
}

static inline void p4d_clear(p4d_t *p4d)
{
	table_unlinked(p4d_val(*p4d));
	*p4d = __p4d(0);
	table_written(p4d);
}

/* Swap entries. */

#define __swp_type(entry) ((entry).val & ((1ul << SWAP_TYPE_BITS) - 1))
#define __swp_offset(entry) ((entry).val >> SWAP_TYPE_BITS)
#define __swp_entry(type, offset) \
	((swp_entry_t) { (unsigned long)(type) | (unsigned long)(offset) << SWAP_TYPE_BITS })
#define __pte_to_swp_entry(pte) ((swp_entry_t) { pte_val(pte) >> SWAP_TYPE_SHIFT })
#define __swp_entry_to_pte(entry) __pte((entry).val << SWAP_TYPE_SHIFT)
#define __pmd_to_swp_entry(pmd) ((swp_entry_t) { pmd_val(pmd) >> SWAP_TYPE_SHIFT })
#define __swp_entry_to_pmd(entry) __pmd((entry).val << SWAP_TYPE_SHIFT)

static inline pte_t pte_swp_mkexclusive(pte_t pte)
{
	return pte_with(pte, SWAP_EXCLUSIVE);
}

static inline bool pte_swp_exclusive(pte_t pte)
{
	return pte_val(pte) & SWAP_EXCLUSIVE;
}

static inline pte_t pte_swp_clear_exclusive(pte_t pte)
{
	return pte_without(pte, SWAP_EXCLUSIVE);
}

static inline bool pte_swp_uffd(pte_t pte)
{
	return pte_val(pte) & SWAP_UFFD;
}

static inline pte_t pte_swp_mkuffd(pte_t pte)
{
	return pte_with(pte, SWAP_UFFD);
}

static inline pte_t pte_swp_clear_uffd(pte_t pte)
{
	return pte_without(pte, SWAP_UFFD);
}

static inline bool pte_swp_soft_dirty(pte_t pte)
{
	return pte_val(pte) & SWAP_SOFT_DIRTY;
}

static inline pte_t pte_swp_mksoft_dirty(pte_t pte)
{
	return pte_with(pte, SWAP_SOFT_DIRTY);
}

static inline pte_t pte_swp_clear_soft_dirty(pte_t pte)
{
	return pte_without(pte, SWAP_SOFT_DIRTY);
}

PMD_TEST(swp_uffd)
PMD_TEST(swp_soft_dirty)
PMD_CHANGE(swp_mkuffd)
PMD_CHANGE(swp_clear_uffd)
PMD_CHANGE(swp_mksoft_dirty)
PMD_CHANGE(swp_clear_soft_dirty)

/* Their names until 7.2. */
#define pte_uffd_wp pte_uffd
#define pte_mkuffd_wp pte_mkuffd
#define pte_clear_uffd_wp pte_clear_uffd
#define pte_swp_uffd_wp pte_swp_uffd
#define pte_swp_mkuffd_wp pte_swp_mkuffd
#define pte_swp_clear_uffd_wp pte_swp_clear_uffd
#define pmd_uffd_wp pmd_uffd
#define pmd_mkuffd_wp pmd_mkuffd
#define pmd_clear_uffd_wp pmd_clear_uffd
#define pmd_swp_uffd_wp pmd_swp_uffd
#define pmd_swp_mkuffd_wp pmd_swp_mkuffd
#define pmd_swp_clear_uffd_wp pmd_swp_clear_uffd

static inline bool pte_needs_flush(pte_t old, pte_t pte)
{
	return pte_val(old) != pte_val(pte);
}

/* --- No-op --- */

#define update_mmu_cache_pmd(vma, address, pmd) do {} while (0)

#endif /* _ASM_PGTABLE_H */
