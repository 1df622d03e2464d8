/* cheops init: a configuration to begin with. */
#include "cfg/cfg.h"
#include "ctl/ask.h"
#include "ctl/options.h"
#include "scope/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define EXAMPLE_BYTES (64u << 10)
#define FILE_MODE     0640 /* it says where private keys are, and who the other sites are */

static int write_all(int fd, struct str text)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        text = str_from(text, (size_t)n);
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* A file that is there stays as it is; one that could not be written whole is taken away again. */
static int write_file(const char *path, struct str text, struct diag *d)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0 && errno == EEXIST) {
        diag_set(d, ERR_SYSTEM, "%s exists, and is left as it is", path);
        diag_hint(d, "give another FILE, or - for standard output");
        return ERR_SYSTEM;
    }
    if (fd < 0) {
        bool has_no_folder = errno == ENOENT;
        diag_set(d, ERR_SYSTEM, "%s cannot be made: %s", path, strerror(errno));
        if (has_no_folder)
            diag_hint(d, "make its folder first, or give another FILE");
        return ERR_SYSTEM;
    }
    int error = write_all(fd, text);
    if (close(fd) < 0 && error == 0)
        error = -errno;
    if (error == 0)
        return 0;
    unlink(path);
    return diag_set(d, ERR_SYSTEM, "%s cannot be written: %s", path, strerror(-error));
}

static int init(const char *path, struct str site)
{
    static char memory[EXAMPLE_BYTES];
    struct diag d = {0};
    struct out o;
    out_init(&o, memory, sizeof memory);
    cfg_write_example(&o, site);
    CHECK(!o.overflowed);
    if (str_eq(str_of(path), STR("-"))) {
        fwrite(o.p, 1, o.n, stdout);
        return CTL_OK;
    }
    if (write_file(path, out_get(&o), &d) < 0)
        return ctl_fail(&d);
    printf("%s is written: change it, then check it with cheopsd --check-config %s\n", path, path);
    return CTL_OK;
}

int ctl_cmd_init(int argc, char **argv)
{
    struct asked {
        const char *site;
    } asked = {.site = "Nantes"};
    static const struct ctl_option options[] = {
        {"site", CTL_TEXT, offsetof(struct asked, site), "NAME", "the site's name (Nantes)"},
    };
    static const struct ctl_syntax syntax = {
        "init",
        "[FILE]",
        0,
        1,
        options,
        COUNT_OF(options),
        "Writes a configuration to begin with: every key, what it takes and its default, as\n"
        "comments. FILE (" CTL_CONFIG ") must not exist; - is standard output.\n"};
    struct ctl_args args;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    if (!scope_is_site_name(str_of(asked.site))) {
        fprintf(stderr, "cheops: '%s' is not a name for a site\n", asked.site);
        return CTL_USAGE;
    }
    return init(args.n ? args.rest[0] : CTL_CONFIG, str_of(asked.site));
}
