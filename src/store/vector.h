/* store/vector.h: version vectors as bytes, in the store and between sites.
 *
 * Entries (site, incarnation, n) in the order of (site's bytes, incarnation), each: a byte with the
 * length of the site's name, the name, the incarnation (8 bytes, big endian), n (8 bytes, big
 * endian). None has n = 0, none stands twice: equal vectors are equal bytes. Pure.
 */
#ifndef STORE_VECTOR_H
#define STORE_VECTOR_H

#include "base/err.h"
#include "base/out.h"

#define STORE_SITE_BYTES 255

struct store_vector_entry {
    struct str site; /* borrows the vector's bytes */
    uint64_t incarnation, n;
};

/* Takes the first entry off *rest. False: there is none. Of bytes that store_vector_check found
 * good. */
bool store_vector_next(struct str *rest, struct store_vector_entry *e);
/* 0, or ERR_INVALID: not a vector. */
int store_vector_check(struct str bytes) MUST_USE;
/* Appends an entry; they come in their order. */
void store_vector_put(struct out *o, const struct store_vector_entry *e);
/* The order of entries: below 0 when a comes before b. */
int store_vector_compare(const struct store_vector_entry *a, const struct store_vector_entry *b);

#endif
