/* cheopsd: the daemon of one site. */
#include "daemon/crash.h"
#include "daemon/daemon.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: cheopsd [--check-config] FILE\n"
    "       cheopsd --version\n\n"
    "FILE is the site's configuration, cheops.yaml(5); `cheops init` writes one.\n";

/* Room for the texts of a diagnostic and a line with its caret. */
#define REPORT_BYTES 4096

static void report(const struct diag *d)
{
    char memory[REPORT_BYTES];
    struct out o;
    out_init(&o, memory, sizeof memory);
    cfg_report(d, &o);
    fwrite(o.p, 1, o.n, stderr);
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
    if (only_check) {
        print_summary(cfg);
        cfg_unref(&cfg);
    } else {
        rc = daemon_run(cfg, &d);
    }
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
    crash_start();
    rt_tls_keep_buffers();
    return run(argv[argc - 1], check);
}
