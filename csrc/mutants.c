// SPDX-License-Identifier: GPL-2.0-only
/* The mutant that is chosen: one for all references of a build that has mutants. */
#include "mutants.h"

unsigned int rmap_mutant;
unsigned char rmap_mutants_reached[RMAP_MUTANTS_MAX];
