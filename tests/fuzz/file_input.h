/* tests/fuzz/file_input.h: a fuzz target's input as a file, for what reads files. */
#ifndef TESTS_FILE_INPUT_H
#define TESTS_FILE_INPUT_H

#include "base/check.h"
#include "base/err.h"
#include "cfg/cfg.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct file_input {
    int fd;
    char path[64];
};

/* A file without a name in a folder, which lasts as long as the process. */
static inline void file_input_open(struct file_input *f)
{
    f->fd = memfd_create("input", MFD_CLOEXEC);
    CHECK(f->fd >= 0);
    snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
}

static inline void file_input_set(const struct file_input *f, const void *data, size_t size)
{
    CHECK(ftruncate(f->fd, 0) == 0);
    CHECK(pwrite(f->fd, data, size, 0) == (ssize_t)size);
}

/* What must hold of the end of a reading: a code with words, a place in the text when it is one,
 * and a report that fits. */
static inline void file_input_check(const struct file_input *f, int rc, const struct diag *d,
                                    size_t size)
{
    char memory[4096];
    struct out o;
    CHECK(rc == d->code);
    if (rc == 0)
        return;
    CHECK(rc == ERR_CONFIG || rc == ERR_NO_MEMORY);
    CHECK(d->message[0]);
    if (d->line && str_eq(str_of(d->file), str_of(f->path)))
        CHECK(d->column > 0 && d->offset <= size && d->length <= size - d->offset);
    out_init(&o, memory, sizeof memory);
    cfg_report(d, &o);
    CHECK(!o.overflowed && o.n > 0);
}

#endif
