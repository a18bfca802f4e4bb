// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters of one object of a reference whose runs of lines are counted. gcc puts a pointer to
 * them into a section that is named at the command line (-fprofile-info-section), so that nothing
 * is written when the process ends: whoever wants them asks.
 */
#include <gcov.h>
#include <stdlib.h>

#define NAME3(a, b) a##b
#define NAME2(a, b) NAME3(a, b)
#define NAME(suffix) NAME2(RMAP_OPS, suffix)
#define START NAME2(__start_, NAME(_gcov))
#define STOP NAME2(__stop_, NAME(_gcov))

struct sink {
	void (*write)(const void *bytes, unsigned int count, void *to);
	void *to;
};

extern const struct gcov_info *const START[];
extern const struct gcov_info *const STOP[];

#define STRING2(name) #name
#define STRING(name) STRING2(name)
/* An empty place in the section, which is mentioned below: a linker keeps what is mentioned. */
__attribute__((section(STRING(NAME(_gcov))))) static const struct gcov_info *volatile anchor;

static void dump(const void *bytes, unsigned int count, void *sink)
{
	const struct sink *s = sink;

	s->write(bytes, count, s->to);
}

static void filename(const char *name, void *sink)
{
	(void)name;
	(void)sink;
}

static void *allocate(unsigned int size, void *sink)
{
	(void)sink;
	return malloc(size);
}

/* Writes them in the form of a .gcda file. */
void NAME(_counters)(void (*write)(const void *, unsigned int, void *), void *to)
{
	struct sink sink = { write, to };
	const struct gcov_info *const *info;

	if (anchor)
		return;
	for (info = START; info < STOP; info++)
		if (*info)
			__gcov_info_to_gcda(*info, filename, dump, allocate, &sink);
}
