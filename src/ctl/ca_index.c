/* The index of an authority: text, one line a certificate, in the order of issue:
 *
 *     SERIAL SITE ISSUED EXPIRES REVOKED
 *
 * Times are seconds since 1970, REVOKED is - while it is not. A line that begins with # is none. */
#include "ctl/ca.h"

#include <stdio.h>
#include <stdlib.h>

#define HEADER   "# cheops ca index 1: serial, site, issued, expires, revoked\n"
#define MAX_LINE 256
#define MAX_TIME 253402300799 /* the end of 9999 */

static bool take_text(struct str *line, char *to, size_t size)
{
    struct str piece;
    if (!str_split(line, ' ', &piece) || piece.n == 0 || piece.n >= size)
        return false;
    memcpy(to, piece.p, piece.n);
    to[piece.n] = 0;
    return true;
}

static bool take_time(struct str *line, bool may_be_none, int64_t *to)
{
    struct str piece;
    uint64_t v = 0;
    if (!str_split(line, ' ', &piece))
        return false;
    if (!(may_be_none && str_eq(piece, STR("-"))) && str_digits(piece, MAX_TIME, &v) < 0)
        return false;
    *to = (int64_t)v;
    return true;
}

static bool parse_line(struct str line, struct ca_entry *e)
{
    struct diag d = {0};
    uint64_t half;
    return take_text(&line, e->serial, sizeof e->serial) &&
           take_text(&line, e->site, sizeof e->site) && take_time(&line, false, &e->issued) &&
           take_time(&line, false, &e->expires) && take_time(&line, true, &e->revoked) && !line.p &&
           strlen(e->serial) == CA_SERIAL_DIGITS &&
           str_hex((struct str){e->serial, 16}, UINT64_MAX, &half) == 0 &&
           str_hex((struct str){e->serial + 16, 16}, UINT64_MAX, &half) == 0 &&
           ca_check_site(e->site, &d) == 0;
}

int ca_index_parse(struct ca_index *x, struct str text, struct diag *d)
{
    struct str line;
    int rc = 0;
    for (unsigned n = 1; rc == 0 && str_split(&text, '\n', &line); n++) {
        struct ca_entry e;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (!parse_line(line, &e)) {
            rc = diag_set(d, ERR_CONFIG,
                          "line %u of the authority's index is not 'SERIAL SITE ISSUED EXPIRES "
                          "REVOKED'",
                          n);
            diag_hint(d, "put back what stood there: a certificate that is not listed cannot be "
                         "revoked");
        } else {
            rc = ca_index_add(x, &e, d);
        }
    }
    return rc;
}

int ca_index_add(struct ca_index *x, const struct ca_entry *e, struct diag *d)
{
    if (x->n == CA_MAX_ENTRIES)
        return diag_set(d, ERR_LIMIT,
                        "the authority has issued %d certificates, which is its limit",
                        CA_MAX_ENTRIES);
    if (x->n == x->size) {
        size_t size = x->size ? 2 * x->size : 64;
        struct ca_entry *entries = reallocarray(x->entries, size, sizeof *entries);
        if (!entries)
            return diag_set(d, ERR_NO_MEMORY, "no memory for the authority's index");
        x->entries = entries;
        x->size = size;
    }
    x->entries[x->n++] = *e;
    return 0;
}

int ca_index_print(const struct ca_index *x, struct arena *a, struct str *out)
{
    size_t size = sizeof HEADER + x->n * MAX_LINE;
    struct out o;
    char *text = arena_alloc(a, size);
    if (!text)
        return ERR_NO_MEMORY;
    out_init(&o, text, size);
    OUT(&o, HEADER);
    for (size_t i = 0; i < x->n; i++) {
        const struct ca_entry *e = &x->entries[i];
        out_fmt(&o, "%s %s %lld %lld ", e->serial, e->site, (long long)e->issued,
                (long long)e->expires);
        if (e->revoked)
            out_fmt(&o, "%lld\n", (long long)e->revoked);
        else
            OUT(&o, "-\n");
    }
    *out = out_get(&o);
    return o.overflowed ? ERR_LIMIT : 0;
}

const struct ca_entry *ca_index_newest(const struct ca_index *x, struct str site)
{
    for (size_t i = x->n; i > 0; i--)
        if (str_eq(str_of(x->entries[i - 1].site), site))
            return &x->entries[i - 1];
    return NULL;
}

void ca_index_fini(struct ca_index *x)
{
    free(x->entries);
    *x = (struct ca_index){0};
}
