/* Loaded in front of libc (LD_PRELOAD): makes one call that changes files in FAULT_FOLDER go wrong.
 *
 * FAULT=kill:N        the process is killed instead of the N-th call; of a write, after half of it
 * FAULT=after:N       the process is killed right after the N-th call
 * FAULT=EIO:N, FAULT=ENOSPC:N    the N-th call fails; of a sync, after it was done
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum fault { NONE, KILL, AFTER, FAIL };

static atomic_long calls;

static int in_folder(const char *path) {
    const char *folder = getenv("FAULT_FOLDER");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int is_ours(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return in_folder(path);
}

/* What is to happen at this call. */
static enum fault next(int ours, int *error) {
    const char *wanted = getenv("FAULT");
    const char *colon = wanted ? strchr(wanted, ':') : NULL;
    if (!ours || !colon) return NONE;
    if (atomic_fetch_add(&calls, 1) + 1 != atol(colon + 1)) return NONE;
    *error = strncmp(wanted, "ENOSPC", 6) == 0 ? ENOSPC : EIO;
    return strncmp(wanted, "kill", 4) == 0 ? KILL : strncmp(wanted, "after", 5) == 0 ? AFTER : FAIL;
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define WRAP(name, ours, parameters, arguments)                    \
    int name parameters {                                          \
        int error = 0;                                             \
        enum fault fault = next(ours, &error);                     \
        if (fault == KILL) die();                                  \
        int done = REAL(name) arguments;                           \
        if (fault == AFTER) die();                                 \
        if (fault == FAIL) {                                       \
            errno = error;                                         \
            return -1;                                             \
        }                                                          \
        return done;                                               \
    }

/* What did not fail cannot be said to have: only syncs are. */
#define WRAP_UNDONE(name, ours, parameters, arguments)             \
    int name parameters {                                          \
        int error = 0;                                             \
        enum fault fault = next(ours, &error);                     \
        if (fault == KILL) die();                                  \
        if (fault == FAIL) {                                       \
            errno = error;                                         \
            return -1;                                             \
        }                                                          \
        int done = REAL(name) arguments;                           \
        if (fault == AFTER) die();                                 \
        return done;                                               \
    }

WRAP(fsync, is_ours(fd), (int fd), (fd))
WRAP(fdatasync, is_ours(fd), (int fd), (fd))
WRAP_UNDONE(rename, in_folder(to), (const char *from, const char *to), (from, to))
WRAP_UNDONE(unlink, in_folder(path), (const char *path), (path))
WRAP_UNDONE(ftruncate64, is_ours(fd), (int fd, off64_t length), (fd, length))
WRAP_UNDONE(mkdir, in_folder(path), (const char *path, mode_t mode), (path, mode))

ssize_t write(int fd, const void *bytes, size_t count) {
    int error = 0;
    enum fault fault = next(is_ours(fd), &error);
    if (fault == KILL || fault == FAIL) {
        /* Some of it may be there already. */
        ssize_t half = REAL(write)(fd, bytes, count / 2);
        if (fault == KILL) die();
        (void)half;
        errno = error;
        return -1;
    }
    ssize_t done = REAL(write)(fd, bytes, count);
    if (fault == AFTER) die();
    return done;
}
