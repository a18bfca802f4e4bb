/* SPDX-License-Identifier: GPL-2.0-only */
/* The headers of the page-table code beside those of the VMA code. */
#ifndef PAGES_HEADERS_H
#define PAGES_HEADERS_H

#include <linux/delayacct.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/memremap.h>
#include <linux/mmzone.h>
#include <linux/vmstat.h>
#include "pages/frames.h"
#include "pages/layer.h"
#include "pages/memory.h"
#include "pages/walk.h"
#include "pages/swap_device.h"
#include "pages/split.h"
#include "pages/userfaults.h"

#endif /* PAGES_HEADERS_H */
