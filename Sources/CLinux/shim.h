/* Linux system calls that Swift's Glibc overlay does not show, as static inline functions: no object code of its own. */
#ifndef CLINUX_SHIM_H
#define CLINUX_SHIM_H
#include <errno.h>
#include <linux/aio_abi.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <pthread.h>

/* Declared here and not by _GNU_SOURCE, which would give fd_set another member than it has in Swift's Glibc module: a
 * fresh debug build, which indexes all modules, refuses to see one type in two shapes. */
void *memmem(const void *haystack, size_t haystack_length, const void *needle, size_t needle_length);
int pthread_setname_np(pthread_t thread, const char *name);

static inline int linux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }
static inline int linux_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }
static inline int linux_epoll_ctl(int epoll, int operation, int fd, uint32_t events, uint64_t tag) {
  struct epoll_event event;
  memset(&event, 0, sizeof event);
  event.events = events;
  event.data.u64 = tag;
  return epoll_ctl(epoll, operation, fd, &event);
}

static inline int linux_inotify_init(void) { return inotify_init1(IN_NONBLOCK | IN_CLOEXEC); }
/* Watches a directory's entries and itself; fails for anything else. */
static inline int linux_inotify_watch(int inotify, const char *path) {
  return inotify_add_watch(inotify, path,
                           IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                               IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
}

/* Linux AIO, used for one thing: a poll on an epoll descriptor that signals an eventfd (io_submit(2), IOCB_CMD_POLL).
 * Unlike io_uring it is commonly allowed by container seccomp profiles. */
static inline int linux_aio_setup(unsigned entries, aio_context_t *context) {
  *context = 0;
  return (int)syscall(SYS_io_setup, entries, context);
}
static inline int linux_aio_destroy(aio_context_t context) { return (int)syscall(SYS_io_destroy, context); }
static inline int linux_aio_poll(aio_context_t context, int fd, uint32_t events, int signal_fd) {
  struct iocb block, *list = &block;
  memset(&block, 0, sizeof block);
  block.aio_lio_opcode = IOCB_CMD_POLL;
  block.aio_fildes = (uint32_t)fd;
  block.aio_buf = events;
  block.aio_flags = IOCB_FLAG_RESFD;
  block.aio_resfd = (uint32_t)signal_fd;
  return (int)syscall(SYS_io_submit, context, 1L, &list);
}
/* Empties the completion ring without a system call: the context is the address of the ring, whose header the kernel
 * documents in linux/fs/aio.c (struct aio_ring). */
static inline void linux_aio_drain(aio_context_t context) {
  struct ring { unsigned id, nr, head, tail, magic, compat, incompat, header_length; };
  struct ring *ring = (struct ring *)context;
  __atomic_store_n(&ring->head, __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
}
static inline void *linux_memmem(const void *haystack, size_t haystack_length, const void *needle, size_t length) {
  return memmem(haystack, haystack_length, needle, length);
}
static inline int linux_socket_is_local(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}
/* glibc's allocator: how many arenas there may be, and how much free memory at the heap's end is given back. */
static inline void linux_tune_malloc(int arenas, int trim) {
  mallopt(M_ARENA_MAX, arenas);
  mallopt(M_TRIM_THRESHOLD, trim);
}
static inline void linux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
#endif
