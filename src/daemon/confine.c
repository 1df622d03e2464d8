/* What the daemon gives up (docs/decisions/0003-confinement.md), in two steps:
 *
 *   files    before the first thread, since Landlock binds the thread that asks and those that it
 *            makes; so the start itself, and not only what comes later, runs under the rules
 *   calls    once it serves
 */
#include "daemon/internal.h"
#include "rt/confine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Read whatever the configuration says. Folders, not files: what is in them is replaced. */
static const char *const always[] = {
    "/etc",                             /* the resolver's files; certificates */
    "/usr/share/ca-certificates",       /* those that /etc/ssl/certs links to */
    "/usr/local/share/ca-certificates", /* the same */
    "/usr/share/cheops",                /* descriptions */
    "/sys/devices/system/cpu",          /* how many workers */
    "/proc/self",                       /* memory and descriptors, for /metrics */
};

static void allow_tls(struct rt_confine *c, const struct cfg_tls *files)
{
    const struct str paths[] = {files->certificate, files->key, files->ca};
    for (size_t i = 0; i < COUNT_OF(paths); i++)
        if (paths[i].p)
            rt_confine_allow_beside(c, paths[i].p, RT_MAY_READ);
}

static void allow_reading(struct rt_confine *c, const struct cfg *cfg)
{
    const char *ca_file = getenv("SSL_CERT_FILE"), *ca_folder = getenv("SSL_CERT_DIR");
    for (size_t i = 0; i < COUNT_OF(always); i++)
        rt_confine_allow(c, always[i], RT_MAY_READ);
    rt_confine_allow_beside(c, "/etc/resolv.conf", RT_MAY_READ); /* a link into /run, often */
    rt_confine_allow_beside(c, cfg->file.p, RT_MAY_READ);
    rt_confine_allow_beside(c, cfg->app_file.p, RT_MAY_READ);
    allow_tls(c, &cfg->peers.files);
    for (size_t i = 0; i < cfg->n_listeners; i++)
        allow_tls(c, &cfg->listeners[i].files);
    for (size_t i = 0; i < cfg->app->n_services; i++)
        allow_tls(c, &cfg->instances[i].files);
    if (ca_file)
        rt_confine_allow_beside(c, ca_file, RT_MAY_READ);
    if (ca_folder)
        rt_confine_allow(c, ca_folder, RT_MAY_READ);
}

static void allow_writing(struct rt_confine *c, const struct cfg *cfg)
{
    if (cfg->access_log.p && !str_eq(cfg->access_log, STR("-")))
        rt_confine_allow_beside(c, cfg->access_log.p, RT_MAY_CREATE);
    if (cfg->admin_socket.p)
        rt_confine_allow_beside(c, cfg->admin_socket.p, RT_MAY_BIND);
    if (cfg->peers.crl.p)
        rt_confine_allow_beside(c, cfg->peers.crl.p, RT_MAY_CHANGE);
    for (size_t i = 0; i < cfg->n_listeners; i++)
        if (cfg->listeners[i].address.sa.sa_family == AF_UNIX)
            rt_confine_allow_beside(c, cfg->listeners[i].address.un.sun_path, RT_MAY_BIND);
}

/* What the kernel does not give is done without, and said. */
static int without(int rc, const char *what, struct diag *why, struct diag *d)
{
    if (rc == ERR_UNSUPPORTED)
        fprintf(stderr, "warning: %s are not confined: %s\n", what, why->message);
    else if (rc < 0)
        *d = *why;
    return rc == ERR_UNSUPPORTED ? 0 : rc;
}

int daemon_confine_files(const struct cfg *cfg, struct diag *d)
{
    struct rt_confine c;
    struct diag why = {0};
    if (geteuid() == 0)
        fputs("warning: cheopsd runs as root and has no use for it: let it be started as another "
              "user, cheopsd(8) says how\n",
              stderr);
    if (HAS_SANITIZER && cfg->confine)
        fputs("warning: nothing is confined: a sanitizer's report needs more than the daemon\n",
              stderr);
    if (HAS_SANITIZER || !cfg->confine)
        return 0;
    rt_nss_load();
    int rc = rt_confine_begin(&c, &why);
    if (rc == 0) {
        allow_reading(&c, cfg);
        allow_writing(&c, cfg);
        rc = rt_confine_commit(&c, &why);
    }
    return without(rc, "files", &why, d);
}

int daemon_confine_calls(const struct cfg *cfg, struct diag *d)
{
    struct diag why = {0};
    if (HAS_SANITIZER || !cfg->confine)
        return 0;
    return without(rt_confine_calls(&why), "system calls", &why, d);
}
