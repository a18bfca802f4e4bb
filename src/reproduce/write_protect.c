
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/*
 * Each process has one userfaultfd of its own, which must stay open. Nobody reads from it: a write by a system call to a
 * page that it protects fails.
 */
static int write_protect(void *start, size_t length, int off)
{
	static pid_t owner;
	static int fd = -1;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_range range = { (uintptr_t)start, length };
	struct uffdio_register all = { .range = range, .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect protect = { .range = range, .mode = UFFDIO_WRITEPROTECT_MODE_WP };

	if (owner != getpid()) {
		/* What a fork has passed on is the parent's. */
		if (fd >= 0)
			close(fd);
		owner = getpid();
		fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
		if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
			return errno;
	}
	if (off)
		return ioctl(fd, UFFDIO_UNREGISTER, &range) ? errno : 0;
	return ioctl(fd, UFFDIO_REGISTER, &all) || ioctl(fd, UFFDIO_WRITEPROTECT, &protect) ? errno : 0;
}
