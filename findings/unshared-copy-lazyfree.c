// SPDX-License-Identifier: GPL-2.0-only
/*
 * unshared-copy-lazyfree.trace as a program: MADV_FREE in one process discards what a relative has.
 *
 * A child's pages are read by process_vm_readv(), which unshares them. The child forks, calls
 * MADV_FREE, and unmaps them. The grandchild asks for reclaim, and reads its memory. It needs
 * neither swap nor privileges; the exit status is 1 if memory was lost. With an argument nothing is
 * read in between, and nothing is lost.
 *
 *	gcc -o unshared findings/unshared-copy-lazyfree.c && ./unshared
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 256
#define SIZE (PAGES * 4096ul)

static void must(int holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	exit(2);
}

static void tell(const int pipe[2])
{
	must(write(pipe[1], "", 1) == 1, "write");
}

static void await(const int pipe[2])
{
	char byte;

	must(read(pipe[0], &byte, 1) == 1, "read");
}

static int exit_status_of(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "waitpid");
	return WEXITSTATUS(status);
}

static int grandchild(char *memory, const int freed[2])
{
	int lost = 0;

	await(freed);
	must(!madvise(memory, SIZE, MADV_PAGEOUT), "MADV_PAGEOUT");
	for (int i = 0; i < PAGES; i++)
		lost += memory[i * 4096] != 'x';
	printf("%d of %d pages are lost\n", lost, PAGES);
	return lost != 0;
}

static int child(char *memory, const int was_read[2])
{
	int freed[2];
	pid_t pid;

	await(was_read);
	must(!pipe(freed), "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		exit(grandchild(memory, freed));
	must(!madvise(memory, SIZE, MADV_FREE), "MADV_FREE");
	must(!munmap(memory, SIZE), "munmap");
	tell(freed);
	return exit_status_of(pid);
}

int main(int argc, char **argv)
{
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec from = { memory, SIZE }, to = { malloc(SIZE), SIZE };
	int was_read[2];
	pid_t pid;

	(void)argv;
	must(memory != MAP_FAILED && to.iov_base, "mmap");
	must(!madvise(memory, SIZE, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	memset(memory, 'x', SIZE);
	must(!pipe(was_read), "pipe");
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid)
		exit(child(memory, was_read));
	if (argc == 1)
		must(process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)SIZE, "process_vm_readv");
	tell(was_read);
	return exit_status_of(pid);
}
