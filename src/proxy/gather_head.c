/* Heads and targets of a list over sites. */
#include "proxy/gather.h"

#include "codec/uri.h"

/* ---- requests */

/* "q=0" and "q=0.000": never this one (RFC 9110 section 12.4.2). */
static bool is_refused(struct str parameters)
{
    struct str piece;
    while (str_split(&parameters, ';', &piece)) {
        piece = str_trim(piece);
        if (!str_eq_nocase(str_sub(piece, 0, 2), STR("q=")))
            continue;
        size_t i = 2;
        while (i < piece.n && (piece.p[i] == '0' || piece.p[i] == '.'))
            i++;
        return i == piece.n;
    }
    return false;
}

static bool is_json(struct str type)
{
    return str_eq_nocase(type, STR("application/json")) ||
           (type.n > 5 && str_eq_nocase(str_from(type, type.n - 5), STR("+json")));
}

/* The members of one Accept that mean JSON; "any" types stand for application/json. */
static void put_acceptable(struct str accept, struct out *o)
{
    struct str member;
    while (str_split(&accept, ',', &member)) {
        struct str rest = str_trim(member), type = STR_NULL;
        str_split(&rest, ';', &type);
        type = str_trim(type);
        bool is_any = str_eq(type, STR("*/*")) || str_eq_nocase(type, STR("application/*"));
        if (is_refused(rest) || (!is_json(type) && !is_any))
            continue;
        out_str(o, o->n ? STR(", ") : STR(""));
        out_str(o, is_any ? STR("application/json") : str_trim(member));
    }
}

/* Fields of a request that ask for a part of one answer, or for one that differs. */
static const struct str removed_from_request[] = {
    {"Accept", 6},
    {"Accept-Encoding", 15},
    {"Range", 5},
    {"If-Range", 8},
    {"If-Match", 8},
    {"If-None-Match", 13},
    {"If-Modified-Since", 17},
    {"If-Unmodified-Since", 19},
};

int gather_ask_for_json(struct txn *t)
{
    struct h1_head *h = &t->x->head;
    struct out types, line;
    bool has_accept = false;
    char *memory = arena_alloc(&t->x->arena, 2 * h->size + 64);
    if (!memory || arena_overflowed(&t->x->arena))
        return diag_set(&t->diag, ERR_NO_MEMORY, "no memory for a list of several sites");
    out_init(&types, memory, h->size);
    out_init(&line, memory + h->size, h->size + 64);
    for (size_t i = h1_find_name(h, STR("Accept"), 0); i < h->n_fields;
         i = h1_find_name(h, STR("Accept"), i + 1)) {
        has_accept = true;
        put_acceptable(h1_value(h, i), &types);
    }
    if (types.overflowed || (has_accept && types.n == 0)) {
        diag_hint(&t->diag, "accept application/json");
        return diag_set(&t->diag, ERR_NOT_ACCEPTABLE,
                        "lists of several sites are merged as JSON, which Accept leaves out");
    }
    for (size_t k = 0; k < COUNT_OF(removed_from_request); k++)
        for (size_t i = h1_find_name(h, removed_from_request[k], 0); i < h->n_fields;
             i = h1_find_name(h, removed_from_request[k], i + 1))
            h->fields[i].drop = true;
    h->has_upgrade = false;
    OUT(&line, "Accept-Encoding: identity\r\n");
    if (has_accept) {
        OUT(&line, "Accept: ");
        out_str(&line, out_get(&types));
        OUT(&line, "\r\n");
    }
    t->gather->lines = out_get(&line);
    return 0;
}

/* ---- markers */

/* The place of an operand: of the first of its candidates that the marker knows, which is the one
 * that is asked then. */
static void take_place(struct txn *t, size_t i, struct str places)
{
    struct gather_leg *leg = &t->gather->legs[i];
    struct gather_place *asked = &t->gather->sources[i].asked;
    for (size_t k = leg->at; k <= leg->last; k++) {
        struct str site = txn_cfg(t)->sites[t->legs[k].site].name;
        if (!gather_marker_find(places, site, &t->x->arena, asked))
            continue;
        leg->at = leg->last = k;
        break;
    }
}

/* The target with the operand's own marker. */
static int set_target(struct txn *t, size_t i)
{
    const struct gather_place *asked = &t->gather->sources[i].asked;
    struct str marker = t->gather->g.conf.marker;
    size_t most = t->target.n + 3 * (marker.n + asked->marker.n) + 2;
    char *memory = arena_alloc(&t->x->arena, most);
    struct out o;
    if (!memory || arena_overflowed(&t->x->arena))
        return ERR_NO_MEMORY;
    out_init(&o, memory, most);
    uri_query_set(t->target, marker, asked->at == GATHER_AT_MARKER ? asked->marker : STR_NULL, &o);
    t->gather->legs[i].target = out_get(&o);
    return 0;
}

/* One that Cheops made is taken apart; another one is every site's, as it came. */
static int read_places(struct txn *t, struct str marker)
{
    struct txn_gather *m = t->gather;
    struct str places = STR_NULL;
    int rc = gather_marker_is(marker) ? gather_marker_read(marker, &t->x->arena, &places) : 0;
    if (rc == ERR_INVALID) {
        diag_hint(&t->diag, "follow the link of the page before, as it is");
        return diag_set(&t->diag, ERR_BAD_REQUEST,
                        "the marker of the page is none of a list over "
                        "sites, though it begins like one");
    }
    for (size_t i = 0; i < m->n && rc == 0; i++) {
        if (!places.p) {
            m->sources[i].asked = (struct gather_place){GATHER_AT_MARKER, marker};
            continue;
        }
        take_place(t, i, places);
        rc = set_target(t, i);
    }
    return rc;
}

int gather_read_marker(struct txn *t)
{
    struct str name = t->gather->g.conf.marker, value;
    struct out o;
    if (!name.p || !uri_query_find(t->target, name, &value) || !value.n)
        return 0;
    char *memory = arena_alloc(&t->x->arena, value.n);
    out_init(&o, memory, memory ? value.n : 0);
    if (uri_value_decode(value, &o) < 0)
        return 0; /* the sites will say so */
    int rc = arena_overflowed(&t->x->arena) ? ERR_NO_MEMORY : read_places(t, out_get(&o));
    return rc == ERR_NO_MEMORY ? diag_set(&t->diag, rc, "no memory for the marker of a page") : rc;
}

/* ---- answers */

bool gather_is_list(const struct h1_head *head)
{
    size_t type = h1_find(head, H1_CONTENT_TYPE, 0);
    size_t coding = h1_find_name(head, STR("Content-Encoding"), 0);
    struct str media = type < head->n_fields ? h1_value(head, type) : STR_NULL, first = STR_NULL;
    str_split(&media, ';', &first);
    return head->status == 200 && is_json(str_trim(first)) &&
           (coding == head->n_fields || str_eq_nocase(h1_value(head, coding), STR("identity")));
}

/* Fields that are true of one site's bytes only. */
static const struct str removed_from_answer[] = {
    {"ETag", 4},         {"Content-MD5", 11},   {"Digest", 6},         {"Content-Digest", 14},
    {"Repr-Digest", 11}, {"Accept-Ranges", 13}, {"Content-Range", 13}, {"Last-Modified", 13},
};

void gather_change_head(struct h1_head *head)
{
    for (size_t k = 0; k < COUNT_OF(removed_from_answer); k++)
        for (size_t i = h1_find_name(head, removed_from_answer[k], 0); i < head->n_fields;
             i = h1_find_name(head, removed_from_answer[k], i + 1))
            head->fields[i].drop = true;
    head->has_length = false;
    if (head->framing != H1_NO_BODY)
        head->framing = H1_CHUNKED;
}
