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

struct cfg_tls cfg_find_tls(struct yaml_reader *r, const struct cfg_tls *t)
{
    return (struct cfg_tls){
        .certificate = cfg_file_relative(r->arena, r->file, t->certificate),
        .key = cfg_file_relative(r->arena, r->file, t->key),
        .ca = cfg_file_relative(r->arena, r->file, t->ca),
    };
}

/* Adds a file to the digest of all of them. The key's is left out: it changes with its certificate,
 * and a digest of a secret is nobody's. */
static void add_digest(struct cfg *c, struct str path)
{
    struct arena arena;
    struct str text;
    arena_init(&arena, NULL, 0, 2 * CFG_FILE_MAX);
    if (path.p && cfg_file_read(path.p, &arena, &text, NULL) == 0)
        c->tls_digest = c->tls_digest * 31 + cfg_digest(text);
    arena_fini(&arena);
}

int cfg_make_tls(struct yaml_reader *r, const struct yaml *at, const struct cfg_tls *t,
                 struct rt_tls_config what, struct rt_tls **out)
{
    struct diag d = {0};
    what.certificate = t->certificate.p;
    what.key = t->key.p;
    what.ca = t->ca.p;
    what.alpn = "http/1.1";
    check_key_file(r, at, t->key);
    if (rt_tls_create(out, &what, &d) < 0)
        return cfg_error_of(r, at, &d);
    check_expiry(r, at, t->certificate, *out);
    add_digest(cfg_of(r), t->certificate);
    add_digest(cfg_of(r), t->ca);
    return 0;
}
