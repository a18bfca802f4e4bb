/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: all of it that is needed is cut, or stands in vma/. */
