/* tls_support.h: certificates, contexts and connected pairs for the tests of TLS. */
#ifndef TLS_SUPPORT_H
#define TLS_SUPPORT_H

#include "certs.h"
#include "rt/revoked.h"
#include "rt/stream.h"
#include "rt/sys.h"
#include "test_rt.h"
#include "support.h"

#define SITE "cheops://site/"

/* Made once for all tests: the authorities "ca" and "other_ca"; of ca "server", for
 * service.example, *.wild.example, 127.0.0.1 and ::1, "second" and "third", for
 * NAME.example, the sites "nantes" and "lost", and "crl", in which lost is revoked; of other_ca
 * "stranger", who says that it is nantes. */
extern struct certs_ca tls_ca, tls_other_ca;
int tls_make_files(void **state);
int tls_remove_files(void **state);
const char *pem(const char *name);
const char *key(const char *name);
extern char unix_at[]; /* a place for a Unix socket */

struct rt_tls *context(struct rt_tls_config c);
struct rt_tls *server_context(void);
struct rt_tls *client_context(void);
/* Of "ca"; crl may be NULL. */
struct rt_revoked *open_lists(const char *crl);
struct rt_tls *site_context(bool is_server, const char *name, const char *crl);

/* Two streams with a handshake before them; `name` is what the client, a, verifies. Takes the
 * contexts. */
void make_tls_pair(struct rt_loop *l, struct rt_tls *server, struct rt_tls *client, struct str name,
                   struct owner *a, struct owner *b);
/* Turns until each side knows how the handshake ended. */
void shake(struct rt_loop *l, struct owner *a, struct owner *b);
/* Turns until a read says something else than ERR_AGAIN; returns it. */
ssize_t read_soon(struct rt_loop *l, struct owner *o, void *to, size_t n);
void check_contains(struct str text, const char *part);

#endif
