/* plan/gather.h: one list made of the lists of several sites (design.md section 6), pure.
 *
 * Each site is a source. Its answer's bytes are pushed as they come, in any pieces; the merged
 * answer is peeked at and consumed, in whatever pieces fit. How the bytes were cut never shows. The
 * answer is the array in the API's own order, then what else the answer of the first site had
 * beside it, then the link to the next page:
 *
 *     {"images":[…],"first":"/v2/images","next":"/v2/images?marker=cheops1-…"}
 *
 * Of a source one unit is held, an item or a member beside the array; a longer one than unit_max
 * is an error. What is beside the array is kept whole, within the same bound. Replicas of one
 * resource are shown once: of two items with the same identifier the second is left out when at
 * most GATHER_IDS others are between them.
 *
 *     gather_init(&g, &conf, sources, n);
 *     n = gather_push(&g, i, data);  gather_end(&g, i);      0: it takes no more now
 *     … until gather_is_ready of every source that is not left out (gather_leave_out)
 *     while ((rc = gather_peek(&g, &data)) > 0) gather_consume(&g, …);
 *     rc: 0 the end, ERR_AGAIN when more has to be pushed, else why the answer breaks off
 *     gather_fini(&g);
 *
 * Paging. A page ends at the limit, and, in a sorted list, where a site's page ends that has a next
 * one: what follows there may come before what others still have. Every site then goes on behind
 * the last of its items that was looked at; the places of all of them are the marker of the next
 * page. A site that was missing stays where it was.
 */
#ifndef PLAN_GATHER_H
#define PLAN_GATHER_H

#include "app/app.h"
#include "codec/json.h"

#define GATHER_ID_MAX     255   /* bytes of an identifier in a marker */
#define GATHER_MARKER_MAX 4096  /* bytes of all places together */
#define GATHER_WINDOW     32768 /* bytes held of a source whose items are smaller */
#define GATHER_IDS        4096  /* a power of two */

/* ---- markers ------------------------------------------------------------------------------- */

/* Where the next page of a site begins. */
enum gather_at { GATHER_AT_START, GATHER_AT_MARKER, GATHER_AT_END };
struct gather_place {
    enum gather_at at;
    struct str marker; /* GATHER_AT_MARKER: the site's own */
};

/* Whether a marker was made here. */
bool gather_marker_is(struct str marker);
/* Adds a place to what will be a marker, and writes what was added as one. */
void gather_marker_add(struct str site, const struct gather_place *place, struct out *o);
void gather_marker_write(struct str places, struct out *o);
/* The places in a marker, in the arena, to be looked up. ERR_INVALID: it was not made here.
 * ERR_NO_MEMORY. */
int gather_marker_read(struct str marker, struct arena *arena, struct str *places) MUST_USE;
/* The place of a site. False: the marker does not know it. The marker lies in the arena. */
bool gather_marker_find(struct str places, struct str site, struct arena *arena,
                        struct gather_place *place);

/* ---- merging ------------------------------------------------------------------------------- */

struct gather_conf {
    struct str
        array;       /* pointer to the array: a member of the answer, or empty: the answer itself */
    struct str sort; /* the member to sort by; absent: one source after the other */
    bool is_descending;
    struct str id; /* pointer to an item's identifier; absent: none */
    bool ids_unique;
    uint64_t limit;    /* items of a page; 0: as many as there are */
    struct str next;   /* the member that links to the next page; absent: none */
    struct str marker; /* the parameter of that link */
    struct str target; /* of the request: what the link is made of */
    size_t unit_max;
    uint64_t key[2]; /* random: nobody makes identifiers that are taken for equal */
    /* realloc; n = 0 frees. NULL: no memory. */
    void *(*resize)(void *context, void *old, size_t n);
    void *context;
};

/* Fills in all but unit_max, key, resize and context, as the type's description and the query of
 * the target say. Borrows both; the rest lies in the arena. ERR_NO_MEMORY. */
int gather_conf_read(const struct app_type *type, struct str target, struct arena *a,
                     struct gather_conf *c) MUST_USE;

enum gather_phase {
    GATHER_BEGIN,   /* before the first bracket */
    GATHER_MEMBERS, /* among the members beside the array */
    GATHER_ITEMS,
    GATHER_AFTER, /* the text is over; blanks may follow */
    GATHER_DONE,
    GATHER_FAILED,
    GATHER_LEFT_OUT, /* it takes no part, or no more */
};

/* A growing piece of memory. */
struct gather_bytes {
    char *p;
    size_t n, cap;
};

/* A value within an item. */
struct gather_value {
    enum json_kind kind; /* JSON_NULL: there is none, too */
    size_t from, n;
};

/* What one site gives. All but the first two members are the gatherer's. */
struct gather_source {
    struct str site;
    struct gather_place asked; /* where its page began */

    enum gather_phase phase;
    int code; /* GATHER_FAILED, and why: a sentence without a full stop */
    const char *why;
    struct gather_bytes text, rest; /* the window; the members beside the array */
    size_t from;                    /* where what counts of text begins; a byte is before it */
    struct json_scan scan;
    bool ended; /* nothing more comes */
    bool array_seen;
    /* the unit that has begun; offsets count from `from` */
    bool in_unit, in_array_member, in_next_member;
    size_t unit, value; /* value: of a member; 0: not there yet */
    enum json_kind value_kind;
    /* the item that is whole */
    bool has_item, is_drained;
    bool is_lent; /* it is being written: it stays where it is */
    size_t item_n;
    struct gather_value sort, id;
    /* identifiers of that item and of the last one that was passed; what its own link says */
    bool has_passed, is_null_next;
    uint8_t head_n, last_n, next_n;
    char head[GATHER_ID_MAX], last[GATHER_ID_MAX], next[GATHER_ID_MAX];
};

struct gather {
    struct gather_conf conf;
    struct gather_source *sources; /* borrowed */
    size_t n;
    size_t lead;   /* the first that takes part: what is beside the array is its */
    size_t chosen; /* whose item is being written */
    int state;     /* gather.c */
    uint64_t shown;
    struct str queue[8]; /* what is written next */
    size_t queue_at, queue_n;
    struct gather_bytes scratch;
    struct gather_ids *ids; /* NULL until they are needed */
};

/* Begins; sources have site and asked, and are otherwise zero. The memory of conf's strings is
 * borrowed. */
void gather_init(struct gather *g, const struct gather_conf *conf, struct gather_source *sources,
                 size_t n);
void gather_fini(struct gather *g);
/* Takes bytes of a source's body; returns how many, fewer than there are when it holds enough, or
 * what is wrong: ERR_SERVICE_BROKEN, ERR_NO_MEMORY; the source has failed then. */
long gather_push(struct gather *g, size_t source, struct str data) MUST_USE;
/* Its body is over. 0, or what is wrong with it. */
int gather_end(struct gather *g, size_t source) MUST_USE;
/* Whether it would take a byte. */
bool gather_wants(const struct gather *g, size_t source);
/* Whether its text is whole and JSON, or as much of it is held as fits. */
bool gather_is_ready(const struct gather *g, size_t source);
/* It takes no part. Only before the first gather_peek. */
void gather_leave_out(struct gather *g, size_t source);
/* 1: *data is to be written (borrowed until it is consumed). 0: the answer is complete. ERR_AGAIN:
 * a source that gather_wants must be pushed. ERR_SERVICE_BROKEN: one has failed. ERR_LIMIT: the
 * next page's marker is too long. ERR_NO_MEMORY. At least one source takes part. */
int gather_peek(struct gather *g, struct str *data) MUST_USE;
void gather_consume(struct gather *g, size_t n);

/* ---- gather_source.c, for gather.c */

/* Appends; false when there is no memory. */
bool gather_bytes_add(const struct gather_conf *conf, struct gather_bytes *b,
                      struct str s) MUST_USE;
/* The present item, with a comma in front; it stays where it is until it is passed. */
struct str gather_source_item(struct gather_source *s, bool with_comma);
/* Its identifier, as it stands there; empty: none. */
struct str gather_source_id(const struct gather_source *s);
/* Goes on to the next item. */
void gather_source_pass_item(const struct gather_conf *conf, struct gather_source *s);
/* From now on items are passed over. */
void gather_source_drain(const struct gather_conf *conf, struct gather_source *s);
/* Orders the items of two sources: less than 0 when a's comes first in ascending order. */
int gather_source_cmp(const struct gather_source *a, const struct gather_source *b);
/* Where it goes on. */
struct gather_place gather_source_place(const struct gather_source *s);

/* gather_ids.c: notes an identifier. 1: it was there; 0; ERR_NO_MEMORY. */
int gather_ids_note(struct gather *g, struct str id) MUST_USE;

/* ---- settling ------------------------------------------------------------------------------ */

struct gather_part {
    enum { GATHER_PART_OPEN, GATHER_PART_READY, GATHER_PART_MISSING, GATHER_PART_UNASKED } state;
    unsigned status; /* MISSING: what came instead of a list; 0: nothing */
};

enum gather_verdict {
    GATHER_UNDECIDED,
    GATHER_ANSWER, /* with the parts that are ready */
    GATHER_PASS,   /* none is ready: that of *which is the answer, as it came */
    GATHER_FAIL,   /* the error of *which is the answer */
};

/* At least one part was asked. `missing_fails`: a part that is missing fails the whole when others
 * are ready. Of several answers that are no lists the best is passed on: one that is no error, then
 * 401 and 403, then others below 500; the first of equals. */
enum gather_verdict gather_settle(const struct gather_part *parts, size_t n, bool missing_fails,
                                  size_t *which);

#endif
