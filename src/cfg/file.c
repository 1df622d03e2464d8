#include "cfg/file.h"
#include "rt/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, char *to, size_t n)
{
    size_t at = 0;
    while (at < n) {
        ssize_t got = read(fd, to + at, n - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        at += (size_t)got;
    }
    return 0;
}

int cfg_file_read(const char *path, struct arena *a, struct str *out, struct diag *d)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    if (fd < 0) {
        diag_set(d, ERR_CONFIG, "%s cannot be opened: %s", path, strerror(errno));
        rt_confine_hint_read(path, d);
        return ERR_CONFIG;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CFG_FILE_MAX)
        rc = diag_set(d, ERR_CONFIG, "%s is not a file of at most %u bytes", path, CFG_FILE_MAX);
    char *text = rc == 0 ? arena_alloc(a, (size_t)st.st_size + 1) : NULL;
    if (rc == 0 && (!text || arena_overflowed(a)))
        rc = diag_set(d, ERR_NO_MEMORY, "no memory to read %s", path);
    if (rc == 0) {
        int error = read_all(fd, text, (size_t)st.st_size);
        if (error < 0)
            rc = diag_set(d, ERR_CONFIG, "%s cannot be read: %s", path, strerror(-error));
        *out = (struct str){text, (size_t)st.st_size};
    }
    close(fd);
    return rc;
}

struct str cfg_file_relative(struct arena *a, const char *from, struct str path)
{
    const char *slash = strrchr(from, '/');
    if (path.n == 0 || path.p[0] == '/' || !slash)
        return arena_str(a, path);
    return arena_printf(a, "%.*s/%.*s", (int)(slash - from), from, STR_ARG(path));
}

uint64_t cfg_digest(struct str text)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    uint64_t v = 0;
    CHECK(EVP_Digest(text.p, text.n, digest, NULL, EVP_sha256(), NULL) == 1);
    for (int i = 0; i < 8; i++)
        v = v << 8 | digest[i];
    return v;
}
