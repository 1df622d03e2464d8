/* rt/revoked.h: the lists of revoked certificates (CRLs, RFC 5280) that TLS contexts share. The
 * CA's may be exchanged for a newer one while they are in use.
 *
 *     rt_revoked_open(&r, "ca.pem", "crl.pem", &d);
 *     … rt_tls_create with .revoked = r: handshakes refuse what is listed
 *     rt_revoked_offer(r, der, &d);          a newer list counts from the next handshake on
 *     rt_revoked_save(r, "crl.pem", &d);     and after a restart
 *     rt_stream_is_revoked(&stream, r)       what is connected is its owner's to cut
 *
 * The CA is the first certificate of its file; lists of other issuers in the file of lists count,
 * and stay as they are. Any thread, at any time; a lock is held while pointers are copied.
 */
#ifndef RT_REVOKED_H
#define RT_REVOKED_H

#include "base/arena.h"
#include "rt/stream.h"

/* Of a list in DER that is offered or copied: some 650 certificates, and one buffer of a connection
 * has room for it and a head. */
#define RT_REVOKED_BYTES 24576

struct rt_revoked;

/* Reads the lists of a PEM file (NULL: there is none so far). Gives one reference. ERR_CONFIG: a
 * file cannot be read, has no certificate or no list, or the CA's list is not signed by it. */
int rt_revoked_open(struct rt_revoked **out, const char *ca, const char *file,
                    struct diag *d) MUST_USE;
struct rt_revoked *rt_revoked_ref(struct rt_revoked *r);
void rt_revoked_unref(struct rt_revoked **r);

/* The CRL number of the CA's list, at most INT64_MAX; 0: there is no list, or it has no number. */
uint64_t rt_revoked_number(const struct rt_revoked *r);
/* How often it was exchanged. */
uint64_t rt_revoked_changes(const struct rt_revoked *r);
/* The CA's list in DER, in the arena; absent: it has no number, or is longer than
 * RT_REVOKED_BYTES, or the arena is full. */
struct str rt_revoked_copy(struct rt_revoked *r, struct arena *a);

/* Takes the CA's list in DER, from anybody: its signature counts. ERR_INVALID with why in d: it is
 * no list, not signed by the CA, not newer, not within its time, or has a critical extension. */
int rt_revoked_offer(struct rt_revoked *r, struct str der, struct diag *d) MUST_USE;
/* Replaces the file by the lists in use, unless the CA's list in it is as new. ERR_SYSTEM: it is as
 * it was. */
int rt_revoked_save(struct rt_revoked *r, const char *file, struct diag *d) MUST_USE;

/* Whether the certificate that the other end has shown is listed. */
bool rt_stream_is_revoked(const struct rt_stream *s, struct rt_revoked *r);

#endif
