/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in, customised: what the types of the VMA layer are made of, and the kernel's everyday macros, of which a tree
 * may use others than those that are here. Stands before the cut text.
 */
#ifndef VMA_TYPES_H
#define VMA_TYPES_H

#include <limits.h>
#include <stdalign.h>
#include <sys/mman.h>

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/list.h>
#include <linux/pagemap.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>

typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef uint64_t __u64;
typedef uint32_t __u32;
typedef struct { unsigned long pgprot; } pgprot_t;
typedef struct { unsigned long v; } pgd_t, p4d_t, pud_t, pmd_t, pte_t;
typedef struct { int counter; } refcount_t;
typedef struct { long counter; } atomic_long_t;
#define lockdep_map_p struct lockdep_map *

#define PAGE_SHIFT 12
#define PAGE_SIZE (1ul << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PMD_SIZE (1ul << 21)
/* Pages of a trace lie below 2^32. */
#define TASK_SIZE (1ul << 44)
#define BITS_PER_LONG 64
#define FIRST_USER_ADDRESS 0ul
#define USER_PGTABLES_CEILING 0ul
#define U8_MAX 0xff
#define U32_MAX 0xffffffffu
#define MAX_ERRNO 4095
#define MMF_OOM_SKIP 21
#define MMF_HAS_MDWE 28
#define MMF_UNSTABLE 22
#define READ_IMPLIES_EXEC 0x0400000
#define ARCH_VM_PKEY_FLAGS 0
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#define mmap_min_addr 0ul
#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED 2
#define MREMAP_DONTUNMAP 4
typedef unsigned long phys_addr_t;

#define ____cacheline_aligned
#define ____cacheline_aligned_in_smp
#define __randomize_layout
#define __latent_entropy
#define __private
#define __counted_by(x)
#define __must_hold(x)
#define __printf(a, b)
#define __aligned(x) __attribute__((__aligned__(x)))
#define __packed __attribute__((__packed__))
#define __cold
#define __read_mostly
#define __ro_after_init
#define __always_unused __maybe_unused
#define noinline
#define fallthrough do {} while (0)
#define data_race(expression) (expression)
#define ACCESS_PRIVATE(p, member) ((p)->member)
#define typeof __typeof__
#define ASSERT_EXCLUSIVE_WRITER(x)
#define BUILD_BUG_ON(condition) ((void)sizeof(char[1 - 2 * !!(condition)]))
#define BUILD_BUG_ON_MSG(condition, message) BUILD_BUG_ON(condition)
#define BUILD_BUG() __builtin_trap()
#define static_assert(expression, ...) _Static_assert(expression, #expression)
/* An option that is on is defined as 1 (reference.c); the name of one that is off stays a name. */
#define IS_ENABLED(option) (OPTION_TEXT(option)[0] == '1')
#define OPTION_TEXT(option) #option
#define EXPORT_SYMBOL(x)

#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define min(a, b) ({ __typeof__(a) __a = (a); __typeof__(b) __b = (b); __a < __b ? __a : __b; })
#define max(a, b) ({ __typeof__(a) __a = (a); __typeof__(b) __b = (b); __a > __b ? __a : __b; })
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))
#define swap(a, b) do { __typeof__(a) __t = (a); (a) = (b); (b) = __t; } while (0)
#define ALIGN(x, a) (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define IS_ALIGNED(x, a) (((x) & ((__typeof__(x))(a) - 1)) == 0)
#define PAGE_ALIGN(x) ALIGN(x, PAGE_SIZE)
#define PAGE_ALIGNED(x) IS_ALIGNED((unsigned long)(x), PAGE_SIZE)
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)
#define PHYS_PFN(x) ((unsigned long)((x) >> PAGE_SHIFT))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define _BITUL(n) (1ul << (n))
#define BIT(n) (1ul << (n))
#define GENMASK(high, low) ((~0ul >> (63 - (high))) & (~0ul << (low)))
#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *ptr)
{
	return (long)ptr;
}

static inline bool IS_ERR(const void *ptr)
{
	return IS_ERR_VALUE(ptr);
}

static inline bool IS_ERR_OR_NULL(const void *ptr)
{
	return !ptr || IS_ERR(ptr);
}

static inline void *ERR_CAST(const void *ptr)
{
	return (void *)ptr;
}

static inline int PTR_ERR_OR_ZERO(const void *ptr)
{
	return IS_ERR(ptr) ? PTR_ERR(ptr) : 0;
}

/* Bitmaps, as the flags of a VMA are in 7.x. */
#define BITS_TO_LONGS(n) (((n) + 63) / 64)
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]
#define BIT_WORD(n) ((n) / 64)
#define BIT_MASK(n) (1ul << ((n) % 64))

static inline void __set_bit(long n, volatile unsigned long *bitmap)
{
	bitmap[BIT_WORD(n)] |= BIT_MASK(n);
}

static inline void __clear_bit(long n, volatile unsigned long *bitmap)
{
	bitmap[BIT_WORD(n)] &= ~BIT_MASK(n);
}

#define set_bit __set_bit
#define clear_bit __clear_bit

static inline bool test_bit(long n, const volatile unsigned long *bitmap)
{
	return bitmap[BIT_WORD(n)] & BIT_MASK(n);
}

#define BITMAP_EACH(bits) for (unsigned int __i = 0; __i < BITS_TO_LONGS(bits); __i++)

static inline void bitmap_zero(unsigned long *dst, unsigned int bits)
{
	BITMAP_EACH(bits)
		dst[__i] = 0;
}

static inline void bitmap_copy(unsigned long *dst, const unsigned long *src, unsigned int bits)
{
	BITMAP_EACH(bits)
		dst[__i] = src[__i];
}

static inline bool bitmap_and(unsigned long *dst, const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	unsigned long any = 0;

	BITMAP_EACH(bits)
		any |= dst[__i] = a[__i] & b[__i];
	return any;
}

static inline bool bitmap_andnot(unsigned long *dst, const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	unsigned long any = 0;

	BITMAP_EACH(bits)
		any |= dst[__i] = a[__i] & ~b[__i];
	return any;
}

static inline void bitmap_or(unsigned long *dst, const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	BITMAP_EACH(bits)
		dst[__i] = a[__i] | b[__i];
}

static inline void bitmap_xor(unsigned long *dst, const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	BITMAP_EACH(bits)
		dst[__i] = a[__i] ^ b[__i];
}

static inline bool bitmap_equal(const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	BITMAP_EACH(bits)
		if (a[__i] != b[__i])
			return false;
	return true;
}

static inline bool bitmap_empty(const unsigned long *a, unsigned int bits)
{
	BITMAP_EACH(bits)
		if (a[__i])
			return false;
	return true;
}

static inline bool bitmap_intersects(const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	BITMAP_EACH(bits)
		if (a[__i] & b[__i])
			return true;
	return false;
}

static inline bool bitmap_subset(const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	BITMAP_EACH(bits)
		if (a[__i] & ~b[__i])
			return false;
	return true;
}

static inline unsigned int bitmap_weight(const unsigned long *a, unsigned int bits)
{
	unsigned int n = 0;

	BITMAP_EACH(bits)
		n += __builtin_popcountl(a[__i]);
	return n;
}

/* RCU: one task. See call_rcu() in vma/layer.h. */
struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

#define kfree_rcu(object, member) call_rcu(&(object)->member, maple_node_of_head_give)
#define RCU_INIT_POINTER(p, value) ((p) = (value))
#define rcu_dereference_check(p, condition) (p)
#define rcu_dereference_protected(p, condition) (p)
#define rcu_access_pointer(p) (p)
#define get_state_synchronize_rcu() 0ul
#define poll_state_synchronize_rcu(cookie) true
#define synchronize_rcu() do {} while (0)

/* Memory barriers: one task. */
#define smp_rmb() barrier()
#define smp_wmb() barrier()
#define smp_mb() barrier()

struct lockdep_map {};
struct mempolicy {};
struct mmu_gather {
	struct mm_struct *mm;
};

#endif
