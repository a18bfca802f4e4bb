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

static struct anon_vma *folio_anon_vma_of(const struct folio *folio)
{
	return (struct anon_vma *)((unsigned long)folio->mapping & ~3ul);
}

#ifdef RMAP_PAGES
/* An anonymous folio of the page layer, by its first frame; any other number ends the call. */
static struct folio *given_folio(uint32_t number)
{
	struct page_layer *layer = current_world->pages;

	if (unlikely(number >= layer->nr_frames || !layer->notes[number].mapping)) {
		broken_rule(RMAP_RULE_USE_AFTER_FREE, number);
		escape_call();
	}
	current_world->task.told_folio = number;
	current_world->task.pages.told_first = 0;
	current_world->task.pages.told_count = 1;
	return page_folio(&layer->frames[number]);
}

/* The anon_vma that its mapping meant when it was written. */
static uint32_t given_anon_vma(uint32_t number)
{
	return current_world->pages->notes[number].anon_vma;
}

/* Whether it is mapped is known; for the call it is locked. */
static void folio_prepare(struct folio *folio, bool mapped)
{
	folio_set_locked(folio);
}

static void folio_done(struct folio *folio)
{
	folio_clear_locked(folio);
}

static void folios_clear(struct rmap_world *w)
{
	w->nr_pins = 0;
}
#else
#define FOLIOS_MAX (1u << 24)

struct folio_slot {
	struct folio folio;
	uint32_t anon_vma;		/* serial */
	bool known;
};

/* What the caller of the seam says of a folio: a page table maps it, or none; it is locked. */
static void folio_prepare(struct folio *folio, bool mapped)
{
	folio->mapped = mapped;
}

static void folio_done(struct folio *folio)
{
}

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
static struct folio *given_folio(uint32_t number)
{
	struct folio_slot *slot = folio_slot(number);

	if (unlikely(!slot->known)) {
		broken_rule(RMAP_RULE_USE_AFTER_FREE, number);
		escape_call();
	}
	current_world->task.told_folio = number;
	return &slot->folio;
}

/* The anon_vma that its mapping meant when it was written. */
static uint32_t given_anon_vma(uint32_t number)
{
	return current_world->folios[number].anon_vma;
}

/* The kernel wrote the mapping. */
static void folio_slot_written(struct folio_slot *slot)
{
	slot->anon_vma = serial_of(folio_anon_vma_of(&slot->folio));
}

static void folio_set_anon(uint32_t number, struct vm_area_struct *vma, unsigned long address,
			   bool exclusive)
{
	struct folio_slot *slot = folio_slot(number);

	current_world->task.told_folio = number;
	memset(&slot->folio, 0, sizeof(slot->folio));
	slot->folio.locked = true;
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

static void move_anon_rmap(uint32_t number, struct vm_area_struct *vma)
{
	struct folio *folio = given_folio(number);

#ifdef RMAP_MOVE_ANON_OF_PAGE
	page_move_anon_rmap(&folio->page, vma);
#else
	folio_move_anon_rmap(folio, vma);
#endif
	folio_slot_written(folio_slot(number));
}

static void folio_set_index(struct folio *folio, struct vm_area_struct *vma,
			    unsigned long address)
{
#ifdef RMAP_LINEAR_ANON_PAGE_INDEX
	folio->index = linear_anon_page_index(vma, address);
#else
	folio->index = linear_page_index(vma, address);
#endif
}

static void folio_free(uint32_t number)
{
	given_folio(number);
	folio_slot(number)->known = false;
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
}
#endif

/* The anon_vma is still the one that the mapping was set to; otherwise the call ends. */
static void check_folio(uint32_t number)
{
	const struct anon_vma *anon_vma = folio_anon_vma_of(given_folio(number));

	if (likely(is_live(anon_vma) && serial_of(anon_vma) == given_anon_vma(number)))
		return;
	broken_rule(RMAP_RULE_USE_AFTER_FREE, given_anon_vma(number));
	escape_call();
}

/* With a reference to it. */
static struct anon_vma *anon_vma_of_folio(struct folio *folio)
{
#ifdef RMAP_GET_ANON_VMA_OF_PAGE
	return page_get_anon_vma(&folio->page);
#else
	return folio_get_anon_vma(folio);
#endif
}

static int32_t pin_anon_vma(uint32_t number, bool mapped)
{
	struct rmap_world *w = current_world;
	struct folio *folio = given_folio(number);
	struct anon_vma *anon_vma;

	if (mapped)
		check_folio(number);
	folio_prepare(folio, mapped);
	anon_vma = anon_vma_of_folio(folio);
	folio_done(folio);
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
#define walked(folio) (&(folio)->page)
#define lock_anon_vma_read page_lock_anon_vma_read
#else
typedef struct folio walked_t;
#define walked(folio) (folio)
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
static bool try_walk(struct folio *folio, struct rmap_walk_control *rwc)
{
	bool contended = false;

#ifdef RMAP_WALK_TRIES_LOCK
	rwc->try_lock = true;
	rmap_walk_anon(walked(folio), rwc, false);
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
static int32_t walk_folio(uint32_t number, bool mapped, enum rmap_walk_mode mode)
{
	struct folio *folio = given_folio(number);
	uint32_t visits = 0;
	struct rmap_walk_control rwc = { .arg = &visits, .rmap_one = visit_one };
	struct anon_vma *anon_vma = folio_anon_vma_of(folio);
	bool contended = false;

	if (mapped || mode == RMAP_WALK_LOCKED || mode == RMAP_WALK_TRYLOCK)
		check_folio(number);
	folio_prepare(folio, mapped);
	switch (mode) {
	case RMAP_WALK_LOCKED:
		rwc.invalid_vma = not_invalid;
		rwc.done = not_done;
		anon_vma_lock_read(anon_vma);
		rmap_walk_anon(walked(folio), &rwc, true);
		anon_vma_unlock_read(anon_vma);
		break;
	case RMAP_WALK_TRYLOCK:
#ifdef RMAP_WALK_TRIES_LOCK
		contended = try_walk(folio, &rwc);
#else
		rmap_walk_anon(walked(folio), &rwc, false);
#endif
		break;
	case RMAP_WALK_CONTENDED:
		current_world->task.contended = true;
		rwc.anon_lock = lock_anon_vma_read;
		contended = try_walk(folio, &rwc);
		rmap_walk_anon(walked(folio), &rwc, false);
		if (mapped) {
			/*
			 * And by callers that hold the folio mapped: the plain lock, tried and then
			 * waited for.
			 */
			rwc.anon_lock = NULL;
			rwc.rmap_one = count_one;
			visits = 0;
			contended &= try_walk(folio, &rwc);
			rmap_walk_anon(walked(folio), &rwc, false);
		}
		current_world->task.contended = false;
		break;
	default:
		rwc.anon_lock = lock_anon_vma_read;
		rmap_walk_anon(walked(folio), &rwc, false);
	}
	folio_done(folio);
	return contended ? -EAGAIN : visits;
}

#endif /* STUBS_FOLIO_H */
