/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the statistics of the node, one counter each, in the world. */
#ifndef _LINUX_VMSTAT_H
#define _LINUX_VMSTAT_H

#include <linux/mm_types.h>
#include "pages/layer.h"

/* --- Custom --- */

/* Macros: the item is an enumeration that is cut. */
#define lruvec_stat_mod_folio(folio, item, amount) page_layer_count(item, amount)
#define __lruvec_stat_mod_folio(folio, item, amount) page_layer_count(item, amount)
#define node_stat_mod_folio(folio, item, amount) page_layer_count(item, amount)
#define mod_node_page_state(node, item, amount) page_layer_count(item, amount)
#define __mod_node_page_state(node, item, amount) page_layer_count(item, amount)

/* --- No-op --- */

#define zone_stat_mod_folio(folio, item, amount) do {} while (0)
#define count_vm_event(item) do {} while (0)
#define count_vm_events(item, amount) do {} while (0)
#define __count_vm_events(item, amount) do {} while (0)
#define count_vm_vma_lock_event(item) do {} while (0)
#define count_memcg_event_mm(mm, item) do {} while (0)
#define count_memcg_events_mm(mm, item, amount) do {} while (0)
#define count_memcg_folio_events(folio, item, amount) do {} while (0)

#endif /* _LINUX_VMSTAT_H */
