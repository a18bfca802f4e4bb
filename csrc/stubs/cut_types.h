/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types that the VMA layer cuts from the tree, and prototypes of all that it cuts. A prototype
 * without the fuzzer's counters would leave the kernel's definition without.
 */
#ifndef STUBS_CUT_TYPES_H
#define STUBS_CUT_TYPES_H

#include "stubs/instrument.h"

STUBS_END
#ifdef RMAP_PAGES
#include "pages_types.h"
#else
#include "vma_types.h"
#endif
STUBS_BEGIN

#endif /* STUBS_CUT_TYPES_H */
