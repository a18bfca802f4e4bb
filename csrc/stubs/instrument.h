/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fuzzer's counters are for the kernel's text, not for what stands around it; so are the loads
 * and stores that are told (csrc/accesses.h).
 */
#ifndef STUBS_INSTRUMENT_H
#define STUBS_INSTRUMENT_H

#ifdef __clang__
#define STUBS_PRAGMA(text) _Pragma(#text)
#ifdef RMAP_ACCESSES
#define STUBS_ARE no_sanitize("coverage", "thread"), disable_sanitizer_instrumentation
#else
#define STUBS_ARE no_sanitize("coverage")
#endif
#define STUBS_PUSH(what)									\
	STUBS_PRAGMA(clang attribute push(__attribute__((what)), apply_to = function))
#define STUBS_BEGIN STUBS_PUSH(STUBS_ARE)
#define STUBS_END _Pragma("clang attribute pop")
#else
#define STUBS_BEGIN
#define STUBS_END
#endif

#endif /* STUBS_INSTRUMENT_H */
