/* cfg/cfg.h: a site's configuration, read from YAML into an immutable snapshot.
 *
 * A snapshot holds everything that a request needs to know: the application's description, the
 * service instances, the other sites, TLS contexts, limits. It is reference-counted, replaced whole
 * by a reload, and never changed. All strings live in its arena.
 *
 *     struct cfg *c;
 *     if (cfg_read("/etc/cheops/cheops.yaml", &c, &d) < 0)
 *         cfg_report(&d, &out);
 *     cfg_unref(&c);
 */
#ifndef CFG_CFG_H
#define CFG_CFG_H

#include "app/app.h"
#include "base/counter.h"
#include "rt/ip.h"
#include "rt/revoked.h"
#include "rt/stream.h"
#include "rt/sys.h"

/* Time-outs in milliseconds. */
struct cfg_timeouts {
#define CFG_TIMEOUT(member, key, value, text) uint32_t member##_ms;
#include "cfg/timeouts.def"
#undef CFG_TIMEOUT
};

/* Sizes in bytes and counts. */
struct cfg_limits {
#define CFG_LIMIT(member, key, type, value, least, most, text) uint64_t member;
#include "cfg/limits.def"
#undef CFG_LIMIT
};

enum cfg_keep_alive {
    CFG_KEEP_ALIVE_SAFE, /* no unsafe method on a connection that has idled */
    CFG_KEEP_ALIVE_ALWAYS,
    CFG_KEEP_ALIVE_NEVER,
};

/* Files of a TLS end, as paths from here; absent where the key is left out. */
struct cfg_tls {
    struct str certificate, key, ca;
};

/* Where a service of this site is. */
struct cfg_instance {
    const struct app_service *service;
    unsigned index;
    struct rt_name *name; /* host and port, or Unix path */
    struct rt_tls *tls;   /* NULL: plain HTTP */
    struct cfg_tls files;
    struct str server_name; /* SNI and verified name */
    struct str host;        /* of the URL, for `host: upstream` */
    bool host_upstream;     /* send the URL's host instead of the client's */
    enum cfg_keep_alive keep_alive;
    bool credential_checks_pass; /* every credential check of this service passes this site's
                                  * Cheops; false: no suffix is set for it */
};

/* A further certificate of a listener. */
struct cfg_certificate {
    struct cfg_tls files;
    const struct rt_tls *tls; /* the listener's own has it */
};

struct cfg_listener {
    struct str text; /* the address as configured */
    struct rt_address address;
    const struct app_service *service; /* NULL: recognised by host and path */
    struct rt_tls *tls;                /* NULL: plain HTTP */
    struct cfg_tls files;
    struct cfg_certificate *certificates; /* for other server names */
    size_t n_certificates;
    struct rt_ip_range *proxies; /* that are believed about who the client is */
    size_t n_proxies;
    bool trusts_forwarded; /* what they write is Forwarded; else X-Forwarded-* */
    bool proxy_protocol;   /* and each connection begins with a header of it */
};

/* One site of the deployment, in name order; the own one among them. */
struct cfg_site {
    struct str name;
    struct rt_name *address; /* NULL for the own one */
    /* What that site may ask of this one. Left out: all services, what the description knows. */
    const struct app_service **services;
    size_t n_services;
    bool lists_services;  /* those alone, which may be none */
    unsigned allow_kinds; /* bit 1 << enum app_kind */
};

struct cfg_peers {
    bool is_on;
    bool plain; /* without TLS; loopback only */
    struct str listen_text;
    struct rt_address listen;
    struct rt_tls *server, *client;
    struct rt_revoked *revoked; /* of both; NULL: plain */
    struct cfg_tls files;
    struct str crl; /* a path: where a newer list is kept */
    uint32_t heartbeat_ms, suspect_ms, down_ms;
};

struct cfg {
    _Atomic unsigned refs;
    struct counter *live; /* cfg_count; NULL: nobody looks */
    struct arena arena;
    uint64_t generation; /* counts reloads */
    struct str file;
    /* Of what was read, so that two snapshots can be compared (with app->digest for the
     * description): the file; the certificates and CAs that it names. */
    uint64_t digest, tls_digest;
    struct str site; /* the own name */
    struct app *app;
    struct str app_file;
    uint64_t workers; /* 0: one a core */
    struct cfg_listener *listeners;
    size_t n_listeners;
    struct cfg_instance *instances; /* by service index; .service NULL when not at this site */
    struct cfg_site *sites;
    size_t n_sites, self;
    struct cfg_peers peers;
    struct str admin_socket, admin_group; /* absent group: cheops, if there is one */
    struct str access_log;                /* path, or "-"; absent: none */
    bool confine;
    struct cfg_timeouts timeouts;
    struct cfg_limits limits;
    struct str warnings[32]; /* file:line:column: what is allowed and unwise */
    size_t n_warnings;
};

/* Reads, checks, loads TLS files. Gives a snapshot with one reference. ERR_CONFIG with file, line,
 * column. */
int cfg_read(const char *path, struct cfg **out, struct diag *d) MUST_USE;
/* The same with another application description than the file names. */
int cfg_read_with(const char *path, const char *application, struct cfg **out,
                  struct diag *d) MUST_USE;
struct cfg *cfg_ref(struct cfg *c);
void cfg_unref(struct cfg **c);
/* Counts the snapshot in `live` until it is freed; before others have it. Borrows the counter. */
void cfg_count(struct cfg *c, struct counter *live);

/* Reads an application description alone. The app lives in `arena`. */
int cfg_read_app(const char *path, struct arena *arena, struct app **out, struct diag *d) MUST_USE;

/* Writes an error of the two above for people: the place, what is wrong, the line with a caret
 * (which is read again from the file that the error names), and what to do; each on lines of their
 * own. */
void cfg_report(const struct diag *d, struct out *o);

/* The instance of a service at this site; NULL: none. */
const struct cfg_instance *cfg_instance_of(const struct cfg *c, const struct app_service *service);
/* The service that a TCP listener on this port is tied to; NULL: none. */
const struct app_service *cfg_service_at(const struct cfg *c, unsigned port);
/* How many descriptors it takes when each client that `connections` allows has a connection to a
 * service, with so many workers. */
uint64_t cfg_descriptors(const struct cfg *c, size_t workers);
/* Index of a site by name, or -1. */
long cfg_site_find(const struct cfg *c, struct str name);

/* Writes a commented configuration with every key and its default (`cheops init`); 16 KiB hold it.
 */
void cfg_write_example(struct out *o, struct str site);

#endif
