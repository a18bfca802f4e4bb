
#ifndef UFFD_FEATURE_MOVE
/* Headers before 6.8. */
#define UFFD_FEATURE_MOVE (1 << 16)
struct uffdio_move {
	__u64 dst, src, len, mode;
	__s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* The whole VMA of the destination is registered, so that it is not split, and only as long as it takes. */
static int move_page(void *vma, size_t length, void *from, void *to)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_MOVE };
	struct uffdio_register all = {
		.range = { (uintptr_t)vma, length },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_move move = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = page_size };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	int error = 0;

	if (fd < 0)
		return errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &all) || ioctl(fd, UFFDIO_MOVE, &move))
		error = errno;
	close(fd);
	return error;
}
