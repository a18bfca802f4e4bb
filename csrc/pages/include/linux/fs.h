/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: a file is of any size, and of no file system. */
#ifndef PAGES_LINUX_FS_H
#define PAGES_LINUX_FS_H

#include_next <linux/fs.h>

/* --- Custom --- */

struct inode {
	unsigned int i_mode, i_flags;
};

static inline loff_t i_size_read(const struct inode *inode)
{
	return 1ll << 62;
}

struct address_space_operations {
	int unused;
};

/* The lock of a file's tree of VMAs: csrc/pages/walks.h. */
static void i_mmap_lock_read(struct address_space *mapping);
static bool i_mmap_trylock_read(struct address_space *mapping);
static void i_mmap_unlock_read(struct address_space *mapping);

/* --- No-op --- */

static inline int file_update_time(struct file *file)
{
	return 0;
}

#define IS_SWAPFILE(inode) 0
#define FMODE_NOREUSE 0u

#endif /* PAGES_LINUX_FS_H */
