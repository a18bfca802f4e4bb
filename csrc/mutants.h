/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mutants, in a build that has them: which one is chosen, which the run came to, and loops over a
 * list that can go either way. Read before every other text; the build script puts it there.
 */
#ifndef RMAP_MUTANTS_H
#define RMAP_MUTANTS_H

#define RMAP_MUTANTS_MAX 16384

/* From 1; 0: none. */
extern unsigned int rmap_mutant;
/* By number. */
extern unsigned char rmap_mutants_reached[RMAP_MUTANTS_MAX];

static inline __attribute__((__always_inline__)) int rmap_mutant_is(unsigned int number)
{
	rmap_mutants_reached[number] = 1;
	return rmap_mutant == number;
}

/* The loop over a list, forwards or backwards as long as it lasts. */
#define rmap_mutant_list_walk(backwards, pos, head, member)					\
	for (pos = (backwards) ? list_last_entry(head, __typeof__(*pos), member) :		\
				 list_first_entry(head, __typeof__(*pos), member);		\
	     &pos->member != (head);								\
	     pos = (backwards) ? list_prev_entry(pos, member) : list_next_entry(pos, member))

#define rmap_mutant_list_walk_safe(backwards, pos, n, head, member)				\
	for (pos = (backwards) ? list_last_entry(head, __typeof__(*pos), member) :		\
				 list_first_entry(head, __typeof__(*pos), member),		\
	     n = (backwards) ? list_prev_entry(pos, member) : list_next_entry(pos, member);	\
	     &pos->member != (head);								\
	     pos = n, n = (backwards) ? list_prev_entry(n, member) : list_next_entry(n, member))

#define rmap_mutant_list_for_each_entry(chosen, pos, head, member)				\
	rmap_mutant_list_walk((chosen), pos, head, member)
#define rmap_mutant_list_for_each_entry_reverse(chosen, pos, head, member)			\
	rmap_mutant_list_walk(!(chosen), pos, head, member)
#define rmap_mutant_list_for_each_entry_safe(chosen, pos, n, head, member)			\
	rmap_mutant_list_walk_safe((chosen), pos, n, head, member)
#define rmap_mutant_list_for_each_entry_safe_reverse(chosen, pos, n, head, member)		\
	rmap_mutant_list_walk_safe(!(chosen), pos, n, head, member)

#endif
