/* The folder of a store: store.db, lock, reserve, blobs/00 to blobs/ff, parts. */
#include "base/check.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RESERVE "reserve"

static int fail(const char *path, const char *what, struct diag *d)
{
    return diag_set(d, errno == ENOSPC ? ERR_DISK_FULL : ERR_SYSTEM, "%s: %s: %s", path, what,
                    strerrordesc_np(errno));
}

/* Opens a folder below another, made when it is not there. */
static int open_below(int at, const char *name)
{
    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int lock(struct folder *f, const char *path, struct diag *d)
{
    f->lock_fd = openat(f->fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock_fd < 0)
        return fail(path, "cannot make its lock", d);
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return fail(path, "cannot be locked", d);
    diag_set(d, ERR_STORE, "%s is in use by another process", path);
    diag_hint(d,
              "each cheopsd needs a store of its own; stop the other one, or give another folder");
    return ERR_STORE;
}

static int make_shards(const struct folder *f)
{
    struct stat st;
    char name[4];
    if (fstatat(f->blobs_fd, "ff", &st, 0) == 0)
        return 0;
    for (unsigned i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "%02x", i);
        if (mkdirat(f->blobs_fd, name, 0700) < 0 && errno != EEXIST)
            return -1;
    }
    return fsync(f->blobs_fd) < 0 || fsync(f->fd) < 0 ? -1 : 0;
}

int folder_open(struct folder *f, const char *path, struct diag *d)
{
    *f = FOLDER_CLOSED;
    f->fd = open_below(AT_FDCWD, path);
    if (f->fd < 0)
        return fail(path, "cannot be opened as the store's folder", d);
    int rc = lock(f, path, d);
    if (rc < 0)
        return rc;
    f->blobs_fd = open_below(f->fd, "blobs");
    f->parts_fd = open_below(f->fd, "parts");
    if (f->blobs_fd < 0 || f->parts_fd < 0 || make_shards(f) < 0)
        return fail(path, "cannot make the folders of bodies", d);
    return 0;
}

void folder_close(struct folder *f)
{
    int fds[] = {f->parts_fd, f->blobs_fd, f->lock_fd, f->fd};
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    *f = FOLDER_CLOSED;
}

uint64_t folder_free_bytes(const struct folder *f)
{
    struct statvfs v;
    return fstatvfs(f->fd, &v) == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
}

/* Not the last bytes of the disk: it would be full again at once. */
bool folder_take_reserve(struct folder *f)
{
    if (f->has_reserve)
        return true;
    int fd = openat(f->fd, RESERVE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat st;
    bool is_there = fd >= 0 && fstat(fd, &st) == 0 && st.st_blocks * 512 >= STORE_RESERVE_BYTES;
    f->has_reserve = is_there || (fd >= 0 && folder_free_bytes(f) >= 2 * STORE_RESERVE_BYTES &&
                                  posix_fallocate(fd, 0, STORE_RESERVE_BYTES) == 0);
    if (fd >= 0)
        close(fd);
    if (!f->has_reserve)
        (void)unlinkat(f->fd, RESERVE, 0);
    return f->has_reserve;
}

void folder_give_reserve(struct folder *f)
{
    (void)unlinkat(f->fd, RESERVE, 0);
    f->has_reserve = false;
}
