/* The TLS files of listeners, instances and links. */
#include "cfg/file.h"
#include "cfg/site.h"

#include <sys/stat.h>

#define DAY            86400
#define EXPIRY_WARNING (30 * DAY)

static void check_key_file(struct yaml_reader *r, const struct yaml *at, struct str path)
{
    struct stat st;
    if (path.p && stat(path.p, &st) == 0 && (st.st_mode & 077))
        cfg_warn(r, at, "the private key %.*s can be read by others: chmod 600 it", STR_ARG(path));
}

static void check_expiry(struct yaml_reader *r, const struct yaml *at, struct str path,
                         const struct rt_tls *tls)
{
    int64_t end = rt_tls_not_after(tls), left = end - (int64_t)(rt_wall_us() / 1000000);
    if (end && left < 0)
        cfg_warn(r, at, "the certificate %.*s has ended", STR_ARG(path));
    else if (end && left < 2 * DAY)
        cfg_warn(r, at, "the certificate %.*s ends in %lld hours", STR_ARG(path),
                 (long long)((left + 1800) / 3600));
    else if (end && left < EXPIRY_WARNING)
        cfg_warn(r, at, "the certificate %.*s ends in %lld days", STR_ARG(path),
                 (long long)(left / DAY));
}

int cfg_make_tls(struct yaml_reader *r, const struct yaml *at, const struct cfg_tls *t,
                 struct rt_tls_config what, struct rt_tls **out)
{
    struct diag d = {0};
    struct str certificate = cfg_file_relative(r->arena, r->file, t->certificate);
    struct str key = cfg_file_relative(r->arena, r->file, t->key);
    struct str ca = cfg_file_relative(r->arena, r->file, t->ca);
    what.certificate = certificate.p;
    what.key = key.p;
    what.ca = ca.p;
    what.alpn = "http/1.1";
    check_key_file(r, at, key);
    if (rt_tls_create(out, &what, &d) < 0)
        return yaml_error(at, r->file, r->d, "%s", d.message);
    check_expiry(r, at, certificate, *out);
    return 0;
}
