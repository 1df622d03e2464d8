/* repl/wire.h: numbers and strings as bytes, in messages between sites and in stored rows.
 *
 * A number is 7 bits a byte, the lowest first, with the high bit on all but the last byte; a string
 * is its length and its bytes. Writing goes to base/out.h, tested once at the end; reading has a
 * sticky error and gives zeros after it. Pure.
 */
#ifndef REPL_WIRE_H
#define REPL_WIRE_H

#include "base/out.h"

struct repl_reader {
    struct str rest;
    bool is_bad; /* it ended early, or a number or flag was none */
};

void repl_put_u64(struct out *o, uint64_t v);
void repl_put_str(struct out *o, struct str s);

uint64_t repl_get_u64(struct repl_reader *r);
/* A number that is at most `max`; more is bad. */
uint64_t repl_get_max(struct repl_reader *r, uint64_t max);
bool repl_get_bool(struct repl_reader *r);
/* Borrows what is read. */
struct str repl_get_str(struct repl_reader *r);
/* Whether all was read and all of it was good. */
bool repl_get_end(const struct repl_reader *r);

#endif
