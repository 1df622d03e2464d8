#include "tls_support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Made once for all tests: two authorities, a server's certificate, sites' certificates. */
static char dir[] = "/tmp/cheops-tls-XXXXXX";
char unix_at[sizeof dir + 16];
struct certs_ca tls_ca, tls_other_ca;

const char *pem(const char *name)
{
    return certs_path(dir, name, ".pem");
}

const char *key(const char *name)
{
    return certs_path(dir, name, ".key");
}

int tls_make_files(void **state)
{
    if (!mkdtemp(dir))
        return -1;
    snprintf(unix_at, sizeof unix_at, "unix:%s/door", dir);
    certs_ca_init(&tls_ca, dir, "ca");
    certs_ca_init(&tls_other_ca, dir, "other_ca");
    certs_issue(&tls_ca, "server", "DNS:service.example,DNS:*.wild.example,IP:127.0.0.1,IP:::1");
    certs_issue(&tls_ca, "nantes", "URI:http://elsewhere,URI:" SITE "nantes,DNS:nantes.example");
    certs_issue(&tls_ca, "second", "DNS:second.example");
    certs_issue(&tls_ca, "third", "DNS:third.example");
    certs_issue(&tls_other_ca, "stranger", "URI:" SITE "nantes");
    certs_revoke(&tls_ca, "crl", certs_issue(&tls_ca, "lost", "URI:" SITE "lost"));
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

int tls_remove_files(void **state)
{
    certs_ca_fini(&tls_ca);
    certs_ca_fini(&tls_other_ca);
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

struct rt_tls *context(struct rt_tls_config c)
{
    struct rt_tls *t = NULL;
    struct diag d = {0};
    if (rt_tls_create(&t, &c, &d) < 0)
        fail_msg("%s", d.message);
    return t;
}

struct rt_tls *server_context(void)
{
    return context((struct rt_tls_config){
        .is_server = true, .certificate = pem("server"), .key = key("server"), .alpn = "http/1.1"});
}

struct rt_tls *client_context(void)
{
    return context((struct rt_tls_config){.ca = pem("ca"), .alpn = "http/1.1"});
}

struct rt_revoked *open_lists(const char *crl)
{
    struct rt_revoked *r = NULL;
    struct diag d = {0};
    if (rt_revoked_open(&r, pem("ca"), crl, &d) < 0)
        fail_msg("%s", d.message);
    return r;
}

struct rt_tls *site_context(bool is_server, const char *name, const char *crl)
{
    struct rt_revoked *revoked = open_lists(crl);
    struct rt_tls *t = context((struct rt_tls_config){.is_server = is_server,
                                                      .certificate = pem(name),
                                                      .key = key(name),
                                                      .ca = pem("ca"),
                                                      .revoked = revoked,
                                                      .require_peer = is_server,
                                                      .only_1_3 = true});
    rt_revoked_unref(&revoked);
    return t;
}

/* Two streams with a handshake before them; `name` is what the client verifies. Takes the
 * contexts. */
void make_tls_pair(struct rt_loop *l, struct rt_tls *server, struct rt_tls *client, struct str name,
                   struct owner *a, struct owner *b)
{
    struct door d;
    owner_init(a);
    owner_init(b);
    door_open(&d, l, "127.0.0.1:0");
    assert_int_equal(rt_stream_connect(&a->stream, l, &d.at, client, name, &a->task), 0);
    UNTIL(l, d.n == 1);
    assert_int_equal(rt_stream_accept(&b->stream, l, d.fds[0], server, &b->task), 0);
    rt_listener_stop(&d.listener);
    rt_tls_unref(&server);
    rt_tls_unref(&client);
}

/* Turns until each side knows. */
void shake(struct rt_loop *l, struct owner *a, struct owner *b)
{
    int ra = ERR_AGAIN, rb = ERR_AGAIN;
    UNTIL(l, (ra = rt_stream_connected(&a->stream), rb = rt_stream_connected(&b->stream),
              ra != ERR_AGAIN && rb != ERR_AGAIN));
}

/* Turns until a read says something else than ERR_AGAIN; returns it. */
ssize_t read_soon(struct rt_loop *l, struct owner *o, void *to, size_t n)
{
    ssize_t got = ERR_AGAIN;
    UNTIL(l, o->stream.can_read && (got = rt_read(&o->stream, to, n)) != ERR_AGAIN);
    return got;
}

void check_contains(struct str text, const char *part)
{
    if (!memmem(text.p, text.n, part, strlen(part)))
        fail_msg("no '%s' in '%.*s'", part, STR_ARG(text));
}
