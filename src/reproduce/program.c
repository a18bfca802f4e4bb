// SPDX-License-Identifier: GPL-2.0
/*
{{ABOUT}} *
 * One process of this program is one process of the trace; all are driven, one step at a time, by the first process, which
 * does nothing of the trace itself. The pages of the trace lie below everything else that a position-independent program has mapped,
 * so that its VMAs are the first in every walk over the address space.
 *
 *	gcc -Wall -Wextra -o reproduce reproduce.c
 *	./reproduce		# TAP on standard output; stops at the first step that does not end as in the trace
 *	./reproduce maps	# and what is mapped after each step
 *
 * Steps whose allocations are to fail are skipped, unless it is built with -DRMAP_FAIL_NTH and runs as root on a
 * kernel with CONFIG_FAULT_INJECTION_DEBUG_FS and CONFIG_FAILSLAB that was booted with slab_nomerge, after
 *
 *	echo Y >/sys/kernel/debug/failslab/cache-filter
 *	echo N >/sys/kernel/debug/failslab/ignore-gfp-wait
 *	for cache in vm_area_struct anon_vma anon_vma_chain; do echo 1 >/sys/kernel/slab/$cache/failslab; done
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
{{INCLUDES}}
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

{{CONSTANTS}}
static long page_size;
/* Commands to each process, and their answers to the first one. */
static int asks[PROCESSES][2], answers[2];
static int files[FILES + 1];

struct answer {
	int error;	/* 0 or an errno */
	int child;	/* of a fork */
};

static inline void *at(uint64_t page)
{
	return (void *)(uintptr_t)((BASE + page) * page_size);
}

static inline size_t len(uint64_t pages)
{
	return pages * page_size;
}

static inline int failed(int result)
{
	return result < 0 ? errno : 0;
}

/* Of mmap() and mremap() to a fixed place. */
static inline int mapped(void *got, void *wanted)
{
	if (got == MAP_FAILED)
		return errno;
	return got == wanted ? 0 : EEXIST;
}

/*
 * The VMA above grows down to a page: the kernel reads a string there, which is a fault that writes nothing. The string is empty,
 * so there is no such file.
 */
static inline int grow_to(void *page)
{
	return access(page, F_OK) < 0 && errno == EFAULT ? EFAULT : 0;
}
{{UFFD}}
static void serve(int process);

/* A fork whose child belongs to the first process, so that that one can wait until its memory is gone. */
static inline int spawn(int process, int *child)
{
	struct clone_args args = { .flags = CLONE_PARENT };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return errno;
	if (pid == 0)
		serve(process);
	*child = pid;
	return 0;
}

#ifdef RMAP_FAIL_NTH
/* The nth allocation attempt of this task from now on fails; 0: none. */
static void fail_nth(int nth)
{
	char text[16];
	int fd = open("/proc/thread-self/fail-nth", O_WRONLY);
	int length = snprintf(text, sizeof(text), "%d", nth);

	if (fd < 0 || write(fd, text, length) != length) {
		perror("/proc/thread-self/fail-nth");
		_exit(2);
	}
	close(fd);
}
#else
static inline void fail_nth(int nth)
{
	(void)nth;
}
#endif

enum kind {
	DOES,		/* a system call */
	FORKS,
	EXITS,
	NOTHING,	/* no system call: says why */
};

enum expect {
	DONE,
	FAILS,
	ANYTHING,	/* where something was found: the kernel's log has the verdict */
};

static const struct step {
	const char *text;	/* as the trace has it */
	enum kind kind;
	int process;
	int child;		/* of a fork */
	enum expect expect;
	int nth;		/* the allocation attempt that has to fail, or 0 */
	const char *note;
} steps[] = {
{{TABLE}}};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* What the process of a step does. Returns 0 or an errno. */
static int act(int step, int *child)
{
	(void)child;
	switch (step) {
{{CASES}}	}
	return ENOSYS;
}

/* The life of a process of the trace. */
static void serve(int process)
{
	int step;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(asks[process][0], &step, sizeof(step)) == sizeof(step)) {
		struct answer answer = { 0, 0 };

		if (step < 0)
			_exit(0);
		if (steps[step].nth)
			fail_nth(steps[step].nth);
		answer.error = act(step, &answer.child);
		if (steps[step].nth)
			fail_nth(0);
		if (write(answers[1], &answer, sizeof(answer)) != sizeof(answer))
			_exit(2);
	}
	_exit(2);
}

static void bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	fflush(stdout);
	exit(1);
}

static void on_child(int signal)
{
	(void)signal;
}

/* Sends a step to a process; -1: to exit. */
static void ask(int process, int step)
{
	if (write(asks[process][1], &step, sizeof(step)) != sizeof(step))
		bail_out("a process cannot be reached");
}

/* Waits for an answer, or for the death of a process that owes one: the kernel may have killed it. */
static struct answer wait_for_answer(void)
{
	struct pollfd poll = { .fd = answers[0], .events = POLLIN };
	struct answer answer;
	sigset_t none;

	sigemptyset(&none);
	while (ppoll(&poll, 1, NULL, &none) < 1) {
		if (errno != EINTR || waitpid(-1, NULL, WNOHANG) > 0)
			bail_out("a process died: see standard error and the kernel's log");
	}
	if (read(answers[0], &answer, sizeof(answer)) != sizeof(answer))
		bail_out("no answer");
	return answer;
}

/* Ends a process, and returns when its memory is gone. */
static int end(int process, int *pid)
{
	int status;

	ask(process, -1);
	if (waitpid(*pid, &status, 0) != *pid)
		return errno;
	*pid = 0;
	return status ? EFAULT : 0;
}

/* What the processes have mapped of the pages of the trace. */
static void print_maps(const int *pids)
{
	for (int process = 0; process < PROCESSES; process++) {
		char path[64], line[512];
		FILE *maps;

		if (!pids[process])
			continue;
		snprintf(path, sizeof(path), "/proc/%d/maps", pids[process]);
		maps = fopen(path, "r");
		while (maps && fgets(line, sizeof(line), maps)) {
			unsigned long start, end;
			char mode[5];

			if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) != 3 || start >= (uintptr_t)at(END))
				continue;
			printf("#  p%d 0x%lx..0x%lx %s\n", process, start / page_size - BASE, end / page_size - BASE, mode);
		}
		if (maps)
			fclose(maps);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_child };
	int maps = argc > 1 && !strcmp(argv[1], "maps");
	int pids[PROCESSES] = { 0 };
	size_t skipped = 0;
	sigset_t child;

	page_size = sysconf(_SC_PAGESIZE);
#ifdef RMAP_FAIL_NTH
	if (access("/proc/thread-self/fail-nth", W_OK))
		bail_out("/proc/thread-self/fail-nth cannot be written: it needs CONFIG_FAULT_INJECTION_DEBUG_FS, CONFIG_FAILSLAB and root");
#endif
	/* A huge page would be one folio where the trace has many. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	sigaction(SIGCHLD, &action, NULL);
	if (pipe(answers))
		bail_out(strerror(errno));
	for (int process = 0; process < PROCESSES; process++)
		if (pipe(asks[process]))
			bail_out(strerror(errno));
	for (int file = 0; file < FILES; file++) {
		files[file] = memfd_create("file", 0);
		if (files[file] < 0 || ftruncate(files[file], (off_t)len(END)))
			bail_out(strerror(errno));
	}
	printf("TAP version 13\n1..%zu\n", STEPS);
	fflush(stdout);
	pids[0] = fork();
	if (pids[0] < 0)
		bail_out(strerror(errno));
	if (pids[0] == 0)
		serve(0);

	for (size_t number = 0; number < STEPS; number++) {
		const struct step *step = &steps[number];
		struct answer answer = { 0, 0 };
		int skip = step->kind == NOTHING;
		int ok;

#ifndef RMAP_FAIL_NTH
		/* It would succeed, and leave what the trace does not have; or show nothing of what was found. */
		skip |= step->nth && step->expect != DONE;
#endif
		if (skip) {
			skipped++;
			printf("ok %zu - %s # SKIP %s\n", number + 1, step->text, step->note);
		} else {
			if (step->kind == EXITS) {
				answer.error = end(step->process, &pids[step->process]);
			} else {
				ask(step->process, number);
				answer = wait_for_answer();
			}
			if (step->kind == FORKS && !answer.error)
				pids[step->child] = answer.child;
			ok = step->expect == ANYTHING || (step->expect == FAILS) == !!answer.error;
			printf("%s %zu - %s # %s\n", ok ? "ok" : "not ok", number + 1, step->text,
			       answer.error ? strerror(answer.error) : "done");
			if (!ok)
				bail_out(step->expect == FAILS ? "the trace fails here" : "the trace succeeds here");
		}
		if (maps)
			print_maps(pids);
		fflush(stdout);
	}
	for (int process = 0; process < PROCESSES; process++)
		if (pids[process] && end(process, &pids[process]))
			bail_out("a process does not end well: see the kernel's log");
	if (skipped)
		printf("# %zu of %zu steps were skipped: what the trace shows may not have happened here\n", skipped,
		       (size_t)STEPS);
	printf("# every process has exited; what the kernel has to say is in its log\n");
	return 0;
}
