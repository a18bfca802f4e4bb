/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: a system call is a function that csrc/vma/drive.h calls. */
#ifndef _LINUX_SYSCALLS_H
#define _LINUX_SYSCALLS_H

/* --- Custom --- */

#define SYSCALL_DEFINE0(name) static unsigned long sys_##name(void)

#define SYSCALL_DEFINE1(name, t1, a1) static unsigned long sys_##name(t1 a1)

#define SYSCALL_DEFINE2(name, t1, a1, t2, a2) static unsigned long sys_##name(t1 a1, t2 a2)

#define SYSCALL_DEFINE3(name, t1, a1, t2, a2, t3, a3) \
	static unsigned long sys_##name(t1 a1, t2 a2, t3 a3)

#define SYSCALL_DEFINE4(name, t1, a1, t2, a2, t3, a3, t4, a4) \
	static unsigned long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4)

#define SYSCALL_DEFINE5(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
	static unsigned long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)

#define SYSCALL_DEFINE6(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6) \
	static unsigned long sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6)

#endif
