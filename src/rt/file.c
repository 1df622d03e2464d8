#include "rt/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096

int rt_file_write(int fd, struct str data)
{
    while (data.n) {
        ssize_t n = write(fd, data.p, data.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data = str_from(data, (size_t)n);
    }
    return fsync(fd);
}

/* Makes the renaming last. */
static int sync_folder(const char *path)
{
    char folder[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1,
             slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

int rt_file_replace(const char *path, unsigned mode, struct str data, struct diag *d)
{
    char beside[PATH_BYTES];
    int n = snprintf(beside, sizeof beside, "%s.XXXXXX", path);
    errno = ENAMETOOLONG;
    int fd = n > 0 && (size_t)n < sizeof beside ? mkostemp(beside, O_CLOEXEC) : -1;
    int failure = fd < 0 ? errno : 0;
    if (!failure && (fchmod(fd, mode) < 0 || rt_file_write(fd, data) < 0))
        failure = errno;
    if (fd >= 0 && close(fd) < 0 && !failure)
        failure = errno;
    if (!failure && rename(beside, path) < 0)
        failure = errno;
    if (failure && fd >= 0)
        unlink(beside);
    if (!failure && sync_folder(path) < 0)
        failure = errno;
    return failure
               ? diag_set(d, ERR_SYSTEM, "%s cannot be written: %s", path, strerrordesc_np(failure))
               : 0;
}
