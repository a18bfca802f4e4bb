/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lock of an anon_vma, for linux/rwsem.h and for the observers of it.
 */
#ifndef STUBS_RW_SEMAPHORE_H
#define STUBS_RW_SEMAPHORE_H

#include <linux/types.h>

struct rw_semaphore {
	uint16_t writers;
	uint16_t tasks;			/* who holds it, a bit each */
	uint32_t readers;
};

static inline int rwsem_is_locked(struct rw_semaphore *sem)
{
	return sem->writers || sem->readers;
}

#endif /* STUBS_RW_SEMAPHORE_H */
