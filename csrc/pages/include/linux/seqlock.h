/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: one task runs at a time, so no reader has to try again. */
#ifndef _LINUX_SEQLOCK_H
#define _LINUX_SEQLOCK_H

/* --- Custom --- */

typedef struct {
	unsigned int sequence;
} seqcount_t;

static inline void raw_write_seqcount_begin(seqcount_t *s)
{
	s->sequence++;
}

static inline void raw_write_seqcount_end(seqcount_t *s)
{
	s->sequence++;
}

static inline unsigned int raw_read_seqcount(const seqcount_t *s)
{
	return s->sequence;
}

#endif /* _LINUX_SEQLOCK_H */
