/* app/carrier.h: how a scope arrives with a request and is set on the next (scope-lang.md section
 * 5).
 *
 * Pure. Reading marks the fields that are consumed as `drop` in the head and says what must be
 * written instead; setting writes the lines that go to a service. A request without a carrier costs
 * a look at its fields, and no memory.
 *
 *     app_carriers_read(app, &head, &arena, &carried, &d)
 *     app_classify(service, &request, &class)               request.target = carried.target
 *     if (app_carriers_want_body(app, &class, &carried)) …read ahead…
 *     app_carriers_read_body(app, &class, body, &arena, &carried, &d)
 *     …parse and freeze carried.text, choose where the request goes…
 *     app_carriers_set(&in, &head, &out); h1_copy_fields(&head, &out); carried.lines
 */
#ifndef APP_CARRIER_H
#define APP_CARRIER_H

#include "app/app.h"
#include "app/classify.h"
#include "base/diag.h"
#include "codec/h1.h"

enum app_carrier {
    APP_CARRIER_NONE,
    APP_CARRIER_FIELD,      /* 1 Scope, X-Scope */
    APP_CARRIER_CREDENTIAL, /* 2 suffix of a credential field */
    APP_CARRIER_NAMED,      /* 3 a field of the description */
    APP_CARRIER_PATH,       /* 3 a path variable */
    APP_CARRIER_PREFIX,     /* 4 /~scope/… */
    APP_CARRIER_BAGGAGE,    /* 5 */
    APP_CARRIER_BODY,       /* 6 */
    APP_CARRIER_MEMORY,     /* 7 */
};

/* The first carrier found, and what the others leave to do. */
struct app_carried {
    enum app_carrier carrier;
    struct str text;   /* the scope's text, decoded; absent: none. It may be in the head */
    struct str target; /* the request target without prefix and path carriers; never absent */
    struct str prefix; /* "/~scope/…" as it came, to be put back on Location; absent: none */
    struct str memory_ids[2]; /* 7: tracestate's cheops member and the correlation field's value,
                               * to be looked up when carrier is NONE; absent: none */
    struct str correlation; /* a well-formed value of the correlation field that the client sent */
    struct str lines[2];    /* fields written instead of dropped ones, each "name: value\r\n":
                             * what is left of baggage and of tracestate */
    size_t n_lines;
    size_t body_cut_from, body_cut_to; /* bytes that are to go from the body; equal: none */
};

/* Reads carriers 1 to 5 and finds the identifiers of 7; removes every one of them from the request:
 * fields are marked `drop` (a member is read from those that were marked before, too, and what is
 * left of them is nothing), credentials are cut (h1_cut_value), what is left of baggage and
 * tracestate is in `lines`. Internal Cheops-* request fields are dropped too. Only the carrier that
 * counts is decoded: what is in the others, good or not, changes nothing. ERR_SCOPE_SYNTAX: it
 * cannot be decoded, or one of the fields that are a scope as a whole stands twice (two scopes in
 * one request are a mistake, and no list). ERR_NO_MEMORY. `out` is valid after errors, too. */
int app_carriers_read(const struct app *app, struct h1_head *head, struct arena *arena,
                      struct app_carried *out, struct diag *d) MUST_USE;

/* Whether app_carriers_read_body needs the body's start: a scope may be in it, or it repeats a path
 * variable that has one. */
bool app_carriers_want_body(const struct app *app, const struct app_class *class_,
                            const struct app_carried *carried);

/* Carriers of the path variable (3) and the body (6), once the class of io->target is known. `body`
 * is what was read of the body (absent: none). A carrier of the path is cut from io->target (then
 * classify again), and body_cut says what of the body repeats it; it counts before carriers 4 and
 * 5. The body's counts when no other is there, on creates and updates, and stays where it is. A
 * value that does not end in what was read is none. ERR_SCOPE_SYNTAX, ERR_NO_MEMORY. */
int app_carriers_read_body(const struct app *app, const struct app_class *class_, struct str body,
                           struct arena *arena, struct app_carried *io, struct diag *d) MUST_USE;

/* Fresh values for carrier 7, made by the caller (randomness is not pure). */
struct app_carrier_ids {
    struct str trace_id;    /* value of the tracestate member: 16 hexadecimal digits */
    struct str correlation; /* in the form of the description; absent: none */
};

/* A frozen scope, canonical, and as fields have it. */
struct app_scope_text {
    struct str text;
    struct str base64;  /* as the suffix of a credential */
    struct str percent; /* as a member of baggage */
};
/* Fills in the encoded ones; on ERR_NO_MEMORY the arena is too small. */
int app_scope_encode(struct app_scope_text *s, struct str text, struct arena *arena) MUST_USE;

/* Writes the carriers that `propagate` lists as field lines, for a request to `service` under the
 * frozen scope (canonical text), and marks the head's fields that they replace as `drop`.
 * The lines must stand before the copied fields. Before a service that checks credentials no suffix
 * is set (they were cut when the carriers were read), nor without `with_suffix`. */
struct app_carriers_in {
    const struct app *app;
    const struct app_service *service;
    bool with_suffix;
    struct app_scope_text scope;
    struct app_carrier_ids ids;
};
void app_carriers_set(const struct app_carriers_in *in, struct h1_head *head, struct out *o);

/* Names of the fields that app_carriers_set would write for the request, at most max; returns how
 * many. Only in->scope and in->ids are not looked at. */
size_t app_carriers_names(const struct app_carriers_in *in, const struct h1_head *head,
                          struct str *names, size_t max);

/* Writes the value of Location, Content-Location or (is_link) Link with the prefix of carrier 4 put
 * back before each path that leads to this door: a path alone, or a URL with `authority`. One that
 * has such a prefix already stays as it is. */
void app_prefix_put_back(struct str prefix, struct str authority, struct str value, bool is_link,
                         struct out *o);

/* Whether a value has the form of the correlation field ("req-{uuid4}"); a UUID of another version
 * will do, since services take it, too. */
bool app_correlation_is(const struct app *app, struct str value);
/* What carrier 7 remembers an identifier by: the number that the 16 hexadecimal digits of a trace
 * id are, and the first 16 of a correlation identifier's UUID. So both of one request have one key.
 * 0: id is neither. */
uint64_t app_correlation_key(const struct app *app, struct str id);
/* Writes a value of that form, a UUID of version 4 made of 16 random bytes. */
void app_correlation_make(const struct app *app, const unsigned char random[16], struct out *o);

#endif
