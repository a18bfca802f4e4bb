/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the stand-ins tell the observers: of locks and counts whose anon_vma they do not know, and
 * of objects. Defined in stubs/observe.h, where struct anon_vma is known.
 */
#ifndef STUBS_OBSERVERS_H
#define STUBS_OBSERVERS_H

#include <linux/types.h>
#include "stubs/world.h"

static void anon_vma_allocated(struct anon_vma *anon_vma);
static bool anon_vma_is_locked(const struct anon_vma *anon_vma);
static uint16_t anon_vma_holders(const struct anon_vma *anon_vma);
static void hook_count(enum rmap_point_kind kind, atomic_t *refcount);
static void hook_read(const atomic_t *count);
static void observe_get(atomic_t *refcount);
static void observe_found(atomic_t *refcount);
static void observe_failed_get(atomic_t *refcount);
static void observe_put(atomic_t *refcount);
static bool observe_lock(struct rw_semaphore *sem, enum rmap_event_kind kind);
static void observe_unlock(struct rw_semaphore *sem, enum rmap_event_kind kind);
static bool observe_trylock(struct rw_semaphore *sem, bool write);

#endif /* STUBS_OBSERVERS_H */
