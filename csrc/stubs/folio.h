/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folios as the seam names them, and the calls on them. Included after the kernel's folio
 * functions, whatever headers these were compiled with. Rule: a folio whose anon_vma is gone is not
 * walked and lends no reference.
 *
 * SLAB_TYPESAFE_BY_RCU: a freed anon_vma may be another one by now. So a slot remembers which one
 * its folio's mapping meant when it was written.
 */
#ifndef STUBS_FOLIO_H
#define STUBS_FOLIO_H

#include <linux/pagemap.h>
#include "stubs/observe.h"

#define FOLIOS_MAX (1u << 24)

struct folio_slot {
	struct folio folio;
	uint32_t anon_vma;		/* serial */
	bool known;
};

/* What the caller of the seam says of a folio: a page table maps it, or none; it is locked. */
#ifdef RMAP_PAGES
static void set_mapped(struct folio *folio, bool mapped)
{
	atomic_set(&folio->_mapcount, mapped ? 0 : -1);
}

static void lock_folio(struct folio *folio)
{
	folio_set_locked(folio);
}
#else
static void set_mapped(struct folio *folio, bool mapped)
{
	folio->mapped = mapped;
}

static void lock_folio(struct folio *folio)
{
	folio->locked = true;
}
#endif

/* The room of a folio's number, known or not. */
static struct folio_slot *folio_slot(uint32_t number)
{
	struct rmap_world *w = current_world;
	uint32_t before = w->max_folios;

	if (unlikely(number >= FOLIOS_MAX)) {
		broken_rule(RMAP_RULE_USE_AFTER_FREE, number);
		escape_call();
	}
	if (unlikely(number >= before)) {
		w->folios = grow(w->folios, &w->max_folios, number + 1, sizeof(*w->folios));
		memset(w->folios + before, 0, (w->max_folios - before) * sizeof(*w->folios));
	}
	if (number >= w->nr_folios)
		w->nr_folios = number + 1;
	return &w->folios[number];
}

/* A folio that was given an anon_vma and not freed since; any other ends the call. */
static struct folio_slot *given_folio(uint32_t number)
{
	struct folio_slot *slot = folio_slot(number);

	if (unlikely(!slot->known)) {
		broken_rule(RMAP_RULE_USE_AFTER_FREE, number);
		escape_call();
	}
	current_world->told_folio = number;
	return slot;
}

static struct anon_vma *folio_slot_anon_vma(const struct folio_slot *slot)
{
	return (struct anon_vma *)((unsigned long)slot->folio.mapping & ~3ul);
}

/* The kernel wrote the mapping. */
static void folio_slot_written(struct folio_slot *slot)
{
	slot->anon_vma = serial_of(folio_slot_anon_vma(slot));
}

static void check_folio(const struct folio_slot *slot)
{
	const struct anon_vma *anon_vma = folio_slot_anon_vma(slot);

	if (likely(is_live(anon_vma) && serial_of(anon_vma) == slot->anon_vma))
		return;
	broken_rule(RMAP_RULE_USE_AFTER_FREE, slot->anon_vma);
	escape_call();
}

static void folio_set_anon(uint32_t number, struct vm_area_struct *vma, unsigned long address,
			   bool exclusive)
{
	struct folio_slot *slot = folio_slot(number);

	current_world->told_folio = number;
	memset(&slot->folio, 0, sizeof(slot->folio));
	lock_folio(&slot->folio);
#if defined(RMAP_SET_ANON_OF_FOLIO_AND_PAGE)
	__page_set_anon_rmap(&slot->folio, &slot->folio.page, vma, address, exclusive);
#elif defined(RMAP_SET_ANON_OF_PAGE)
	__page_set_anon_rmap(&slot->folio.page, vma, address, exclusive);
#else
	__folio_set_anon(&slot->folio, vma, address, exclusive);
#endif
	slot->known = true;
	folio_slot_written(slot);
}

static void move_anon_rmap(struct folio_slot *slot, struct vm_area_struct *vma)
{
#ifdef RMAP_MOVE_ANON_OF_PAGE
	page_move_anon_rmap(&slot->folio.page, vma);
#else
	folio_move_anon_rmap(&slot->folio, vma);
#endif
	folio_slot_written(slot);
}

static void folio_set_index(struct folio_slot *slot, struct vm_area_struct *vma,
			    unsigned long address)
{
#ifdef RMAP_LINEAR_ANON_PAGE_INDEX
	slot->folio.index = linear_anon_page_index(vma, address);
#else
	slot->folio.index = linear_page_index(vma, address);
#endif
}

static int32_t pin_anon_vma(struct folio_slot *slot, bool mapped)
{
	struct rmap_world *w = current_world;
	struct anon_vma *anon_vma;

	set_mapped(&slot->folio, mapped);
	if (mapped)
		check_folio(slot);
#ifdef RMAP_GET_ANON_VMA_OF_PAGE
	anon_vma = page_get_anon_vma(&slot->folio.page);
#else
	anon_vma = folio_get_anon_vma(&slot->folio);
#endif
	if (!anon_vma)
		return -ENOENT;
	w->pins = grow(w->pins, &w->max_pins, w->nr_pins + 1, sizeof(*w->pins));
	w->pins[w->nr_pins++] = (struct touched_anon_vma) { anon_vma, serial_of(anon_vma) };
	return serial_of(anon_vma);
}

/*
 * Drops a reference of that anon_vma. One never had, or of an anon_vma that is gone all the same,
 * ends the call.
 */
static void unpin_anon_vma(uint32_t serial)
{
	struct rmap_world *w = current_world;
	struct anon_vma *anon_vma = NULL;

	for (uint32_t i = 0; i < w->nr_pins && !anon_vma; i++)
		if (w->pins[i].serial == serial) {
			anon_vma = w->pins[i].anon_vma;
			w->pins[i] = w->pins[--w->nr_pins];
		}
	if (unlikely(!anon_vma || !is_live(anon_vma) || serial_of(anon_vma) != serial)) {
		broken_rule(RMAP_RULE_USE_AFTER_FREE, serial);
		escape_call();
	}
	put_anon_vma(anon_vma);
}

/* What a walk is of. */
#ifdef RMAP_WALK_OF_PAGE
typedef struct page walked_t;
#define walked(slot) (&(slot)->folio.page)
#define lock_anon_vma_read page_lock_anon_vma_read
#else
typedef struct folio walked_t;
#define walked(slot) (&(slot)->folio)
#define lock_anon_vma_read folio_lock_anon_vma_read
#endif

static bool visit_one(walked_t *walked, struct vm_area_struct *vma, unsigned long address,
		      void *visits)
{
	record(RMAP_EVENT_VISIT, 0, 0, serial_of(vma), address >> PAGE_SHIFT);
	++*(uint32_t *)visits;
	return true;
}

/* Of a second walk in one call: it comes where the first came. */
static bool count_one(walked_t *walked, struct vm_area_struct *vma, unsigned long address,
		      void *visits)
{
	++*(uint32_t *)visits;
	return true;
}

/* Callers that look at some VMAs only, or at as many as they need: this one looks at all. */
static bool not_invalid(struct vm_area_struct *vma, void *visits)
{
	return false;
}

static int not_done(walked_t *walked)
{
	return false;
}

/*
 * A walk that gives up if another task holds the lock; says whether it did. A kernel of before 5.19
 * has no such walk, and nothing happens.
 */
static bool try_walk(struct folio_slot *slot, struct rmap_walk_control *rwc)
{
	bool contended = false;

#ifdef RMAP_WALK_TRIES_LOCK
	rwc->try_lock = true;
	rmap_walk_anon(walked(slot), rwc, false);
	contended = rwc->contended;
	rwc->try_lock = rwc->contended = false;
#endif
	return contended;
}

/*
 * As the kernel's callers walk: through folio_lock_anon_vma_read(), as try_to_unmap() does; under a
 * lock that is held, as rmap_walk_locked(); trying the plain lock; and, the lock being another
 * task's, giving up as folio_referenced() does and then waiting for it as try_to_unmap() would.
 * Where no walk gives up, the last two wait at once.
 */
static int32_t walk_folio(struct folio_slot *slot, bool mapped, enum rmap_walk_mode mode)
{
	uint32_t visits = 0;
	struct rmap_walk_control rwc = { .arg = &visits, .rmap_one = visit_one };
	struct anon_vma *anon_vma = folio_slot_anon_vma(slot);
	bool contended = false;

	set_mapped(&slot->folio, mapped);
	if (mapped || mode == RMAP_WALK_LOCKED || mode == RMAP_WALK_TRYLOCK)
		check_folio(slot);
	switch (mode) {
	case RMAP_WALK_LOCKED:
		rwc.invalid_vma = not_invalid;
		rwc.done = not_done;
		anon_vma_lock_read(anon_vma);
		rmap_walk_anon(walked(slot), &rwc, true);
		anon_vma_unlock_read(anon_vma);
		break;
	case RMAP_WALK_TRYLOCK:
#ifdef RMAP_WALK_TRIES_LOCK
		contended = try_walk(slot, &rwc);
#else
		rmap_walk_anon(walked(slot), &rwc, false);
#endif
		break;
	case RMAP_WALK_CONTENDED:
		current_world->contended = true;
		rwc.anon_lock = lock_anon_vma_read;
		contended = try_walk(slot, &rwc);
		rmap_walk_anon(walked(slot), &rwc, false);
		if (mapped) {
			/*
			 * And by callers that hold the folio mapped: the plain lock, tried and then
			 * waited for.
			 */
			rwc.anon_lock = NULL;
			rwc.rmap_one = count_one;
			visits = 0;
			contended &= try_walk(slot, &rwc);
			rmap_walk_anon(walked(slot), &rwc, false);
		}
		current_world->contended = false;
		break;
	default:
		rwc.anon_lock = lock_anon_vma_read;
		rmap_walk_anon(walked(slot), &rwc, false);
	}
	return contended ? -EAGAIN : visits;
}

static void tell_folio(uint32_t number)
{
	const struct folio_slot *slot = &current_world->folios[number];

	if (!slot->known)
		return;
	put_word(RMAP_STREAM_FOLIO);
	put_word(number);
	put_word((uint64_t)slot->anon_vma + 1);
	put_word(slot->folio.index);
}

static void tell_folios(void)
{
	for (uint32_t number = 0; number < current_world->nr_folios; number++)
		tell_folio(number);
}

static void folios_clear(struct rmap_world *w)
{
	if (w->nr_folios)
		memset(w->folios, 0, w->nr_folios * sizeof(*w->folios));
	w->nr_folios = w->nr_pins = 0;
	w->contended = false;
}

#endif /* STUBS_FOLIO_H */
