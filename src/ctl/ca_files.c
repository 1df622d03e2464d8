/* Files of a certificate authority. A name is relative to the folder, which is held open. */
#include "ctl/ca.h"
#include "rt/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK        ".lock"
#define LOCK_TRIES  500
#define LOCK_TRY_MS 20

static int failed(const struct ca_dir *dir, const char *name, const char *what, struct diag *d)
{
    return diag_set(d, ERR_SYSTEM, "%s/%s cannot be %s: %s", dir->path, name, what,
                    strerror(errno));
}

static int lock(struct ca_dir *dir, struct diag *d)
{
    dir->lock = openat(dir->fd, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (dir->lock < 0)
        return failed(dir, LOCK, "opened", d);
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(dir->lock, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return failed(dir, LOCK, "locked", d);
        poll(NULL, 0, LOCK_TRY_MS);
    }
    int rc = diag_set(d, ERR_SYSTEM, "another `cheops ca` is at work in %s for more than %d s",
                      dir->path, LOCK_TRIES * LOCK_TRY_MS / 1000);
    diag_hint(d, "try again when it has ended");
    return rc;
}

int ca_dir_open(struct ca_dir *dir, enum ca_access access, struct diag *d)
{
    const char *path = dir->path;
    if (access == CA_CREATE && mkdir(path, 0700) < 0 && errno != EEXIST)
        return diag_set(d, ERR_SYSTEM, "the folder %s cannot be made: %s", path, strerror(errno));
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0) {
        int rc =
            diag_set(d, ERR_SYSTEM, "the folder %s cannot be opened: %s", path, strerror(errno));
        diag_hint(d, "`cheops ca init --dir DIR` makes an authority, --dir says where it is");
        return rc;
    }
    return access == CA_READ ? 0 : lock(dir, d);
}

void ca_dir_close(struct ca_dir *dir)
{
    if (dir->lock >= 0)
        close(dir->lock);
    if (dir->fd >= 0)
        close(dir->fd);
    dir->fd = dir->lock = -1;
}

bool ca_file_exists(const struct ca_dir *dir, const char *name)
{
    struct stat st;
    return fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- reading */

static int check_stat(const struct ca_dir *dir, const char *name, int fd, bool is_secret,
                      size_t *size, struct diag *d)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return failed(dir, name, "read", d);
    if (!S_ISREG(st.st_mode) || (size_t)st.st_size > CA_MAX_FILE)
        return diag_set(d, ERR_SYSTEM, "%s/%s is not a file of at most %u bytes", dir->path, name,
                        CA_MAX_FILE);
    if (is_secret && (st.st_mode & 077)) {
        int rc = diag_set(d, ERR_FORBIDDEN, "the private key %s/%s can be read by others",
                          dir->path, name);
        diag_hint(d, "chmod 600 %s/%s; if it may have been read, begin a new authority", dir->path,
                  name);
        return rc;
    }
    *size = (size_t)st.st_size;
    return 0;
}

/* 0, or -1 with errno. */
static int read_all(int fd, char *to, size_t n)
{
    while (n) {
        ssize_t got = read(fd, to, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got < 0 ? errno : EIO;
            return -1;
        }
        to += got;
        n -= (size_t)got;
    }
    return 0;
}

int ca_file_read(const struct ca_dir *dir, const char *name, bool is_secret, struct str *out,
                 struct diag *d)
{
    size_t size = 0;
    char *text = NULL;
    int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        int rc = diag_set(d, ERR_NOT_FOUND, "there is no %s/%s", dir->path, name);
        diag_hint(d, "`cheops ca init` makes an authority, --dir says where it is");
        return rc;
    }
    if (fd < 0)
        return failed(dir, name, "opened", d);
    int rc = check_stat(dir, name, fd, is_secret, &size, d);
    if (rc == 0 && !(text = arena_alloc(dir->arena, size + 1)))
        rc = diag_set(d, ERR_NO_MEMORY, "no memory to read %s/%s", dir->path, name);
    if (rc == 0 && read_all(fd, text, size) < 0)
        rc = failed(dir, name, "read", d);
    if (rc == 0)
        *out = (struct str){text, size};
    close(fd);
    return rc;
}

/* ---- writing */

int ca_file_write(const struct ca_dir *dir, const char *name, unsigned mode, struct str data,
                  struct diag *d)
{
    char beside[100];
    snprintf(beside, sizeof beside, ".new.%s", name);
    unlinkat(dir->fd, beside, 0); /* what a run that was killed has left; we hold the lock */
    int fd = openat(dir->fd, beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(dir, name, "written", d);
    /* The mode is set while the file is empty, whatever the umask: a key is never open to others.
     */
    int failure = fchmod(fd, mode) < 0 || rt_file_write(fd, data) < 0 ? errno : 0;
    if (close(fd) < 0 && !failure)
        failure = errno;
    if (!failure && renameat(dir->fd, beside, dir->fd, name) < 0)
        failure = errno;
    if (!failure && fsync(dir->fd) < 0)
        failure = errno;
    if (!failure)
        return 0;
    unlinkat(dir->fd, beside, 0);
    errno = failure;
    return failed(dir, name, "written", d);
}
