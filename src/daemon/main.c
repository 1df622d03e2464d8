/* cheopsd: the daemon of one site. */
#include "daemon/daemon.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: cheopsd [--check-config] FILE\n"
    "       cheopsd --version\n\n"
    "FILE is the site's configuration, cheops.yaml(5); `cheops init` writes one.\n";

static void report(const struct diag *d)
{
    if (d->line)
        fprintf(stderr, "%s:%u:%u: ", d->file, d->line, d->column);
    fprintf(stderr, "%s\n", d->message[0] ? d->message : err_text(d->code));
    if (d->hint[0])
        fprintf(stderr, "%s\n", d->hint);
}

static void print_summary(const struct cfg *c)
{
    printf("%.*s: site %.*s, application %.*s, %zu listeners, %zu sites: valid\n", STR_ARG(c->file),
           STR_ARG(c->site), STR_ARG(c->app->name), c->n_listeners, c->n_sites);
}

static int run(const char *path, bool only_check)
{
    struct diag d = {0};
    struct cfg *cfg;
    int rc = cfg_read(path, &cfg, &d);
    if (rc < 0) {
        d.code = rc;
        report(&d);
        return 1;
    }
    for (size_t i = 0; i < cfg->n_warnings; i++)
        fprintf(stderr, "warning: %.*s\n", STR_ARG(cfg->warnings[i]));
    if (only_check)
        print_summary(cfg);
    else
        rc = daemon_run(cfg, &d);
    cfg_unref(&cfg);
    if (rc < 0) {
        d.code = rc;
        report(&d);
    }
    return rc < 0;
}

int main(int argc, char **argv)
{
    bool check = argc == 3 && strcmp(argv[1], "--check-config") == 0;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("cheopsd " CHEOPS_VERSION);
        return 0;
    }
    if (!check && (argc != 2 || argv[1][0] == '-')) {
        fputs(usage, stderr);
        return 2;
    }
    return run(argv[argc - 1], check);
}
