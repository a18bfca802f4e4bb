/* SPDX-License-Identifier: GPL-2.0-only */
/* The fuzzer's counters are for the kernel's text, not for what stands around it. */
#ifndef STUBS_INSTRUMENT_H
#define STUBS_INSTRUMENT_H

#ifdef __clang__
#define STUBS_PRAGMA(text) _Pragma(#text)
#define STUBS_BEGIN								\
	STUBS_PRAGMA(clang attribute push(__attribute__((no_sanitize("coverage"))),	\
					  apply_to = function))
#define STUBS_END _Pragma("clang attribute pop")
#else
#define STUBS_BEGIN
#define STUBS_END
#endif

#endif /* STUBS_INSTRUMENT_H */
