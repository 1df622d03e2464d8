/* The merge: which source's item is next, and what is written around the items.
 *
 *   BEGIN ──> ITEMS ──> COUNT ──> DRAIN ──> END ──> OVER
 *
 *   ITEMS  the first of the sources' present items is written, and passed
 *   COUNT  the page is over: whether any source has more
 *   DRAIN  what the first source has beside the array may stand behind it: it is read to its end
 *   END    the closing brackets, what is beside the array, the link
 */
#include "plan/gather.h"

#include "base/check.h"
#include "codec/uri.h"

enum { BEGIN, ITEMS, COUNT, DRAIN, END, OVER };

static bool takes_part(const struct gather_source *s)
{
    return s->phase != GATHER_LEFT_OUT;
}

void gather_init(struct gather *g, const struct gather_conf *conf, struct gather_source *sources,
                 size_t n)
{
    *g = (struct gather){.conf = *conf, .sources = sources, .n = n, .chosen = n, .lead = n};
}

void gather_fini(struct gather *g)
{
    void *(*resize)(void *, void *, size_t) = g->conf.resize;
    if (!resize)
        return;
    for (size_t i = 0; i < g->n; i++) {
        resize(g->conf.context, g->sources[i].text.p, 0);
        resize(g->conf.context, g->sources[i].rest.p, 0);
    }
    resize(g->conf.context, g->scratch.p, 0);
    resize(g->conf.context, g->ids, 0);
    *g = (struct gather){0};
}

void gather_leave_out(struct gather *g, size_t source)
{
    CHECK(g->lead == g->n);
    g->sources[source].phase = GATHER_LEFT_OUT;
}

static void enqueue(struct gather *g, struct str s)
{
    if (s.n)
        g->queue[g->queue_n++] = s;
}

/* ---- items */

/* The source whose item is next. 1: *which; 0: the page is over; ERR_AGAIN. */
static int choose(const struct gather *g, size_t *which)
{
    bool found = false;
    for (size_t i = 0; i < g->n; i++) {
        const struct gather_source *s = &g->sources[i];
        if (!takes_part(s))
            continue;
        if (s->phase == GATHER_DONE) {
            if (g->conf.sort.p && s->next_n)
                return 0;
            continue;
        }
        if (!s->has_item)
            return ERR_AGAIN;
        int order = found ? gather_source_cmp(s, &g->sources[*which]) : 0;
        if (!found || (g->conf.is_descending ? order > 0 : order < 0))
            *which = i;
        found = true;
        if (!g->conf.sort.p)
            break;
    }
    return found;
}

/* Whether a replica of the item was shown. */
static int is_shown(struct gather *g, const struct gather_source *s)
{
    struct str id = g->conf.ids_unique && g->n > 1 ? gather_source_id(s) : STR_NULL;
    return id.n ? gather_ids_note(g, id) : 0;
}

/* Puts the next item into the queue. 1: it is there, or was shown before; 0: the page is over. */
static int next_item(struct gather *g)
{
    size_t which = 0;
    if (g->conf.limit && g->shown >= g->conf.limit)
        return 0;
    int rc = choose(g, &which);
    if (rc <= 0)
        return rc;
    struct gather_source *s = &g->sources[which];
    rc = is_shown(g, s);
    if (rc < 0)
        return rc;
    if (rc > 0) {
        gather_source_pass_item(&g->conf, s);
        return 1;
    }
    enqueue(g, gather_source_item(s, g->shown > 0));
    g->chosen = which;
    g->shown++;
    return 1;
}

/* ---- around them */

static int begin(struct gather *g)
{
    char name[512];
    struct out o;
    g->lead = 0;
    while (g->lead < g->n && !takes_part(&g->sources[g->lead]))
        g->lead++;
    CHECK(g->lead < g->n);
    out_init(&o, name, sizeof name);
    if (g->conf.array.n) {
        out_char(&o, '{');
        out_json(&o, str_from(g->conf.array, 1));
        out_char(&o, ':');
    }
    out_char(&o, '[');
    if (o.overflowed)
        return ERR_LIMIT;
    if (!gather_bytes_add(&g->conf, &g->scratch, out_get(&o)))
        return ERR_NO_MEMORY;
    enqueue(g, (struct str){g->scratch.p, g->scratch.n});
    return 0;
}

/* Whether some source goes on behind this page: 1, 0, ERR_AGAIN. One that is missing does not make
 * a next page: there might be nothing but its error. */
static int has_more(const struct gather *g)
{
    bool more = false;
    for (size_t i = 0; i < g->n; i++) {
        const struct gather_source *s = &g->sources[i];
        if (takes_part(s) && s->phase != GATHER_DONE && !s->has_item)
            return ERR_AGAIN;
        more |= s->has_item || s->next_n;
    }
    return more;
}

/* The link to the next page, and the member that it is the value of. */
static int put_next(const struct gather *g, struct out *link, struct out *member)
{
    char places[GATHER_MARKER_MAX], marker[GATHER_MARKER_MAX * 2];
    struct out o, m;
    out_init(&o, places, sizeof places);
    out_init(&m, marker, sizeof marker);
    for (size_t i = 0; i < g->n; i++) {
        struct gather_place p = gather_source_place(&g->sources[i]);
        gather_marker_add(g->sources[i].site, &p, &o);
    }
    gather_marker_write(out_get(&o), &m);
    uri_query_set(g->conf.target, g->conf.marker, out_get(&m), link);
    out_json(member, g->conf.next);
    out_char(member, ':');
    out_json(member, out_get(link));
    return o.overflowed || m.overflowed || link->overflowed || member->overflowed ? ERR_LIMIT : 0;
}

/* Puts the link into scratch. */
static int write_next(struct gather *g)
{
    struct out link, member;
    size_t n = g->conf.target.n + g->conf.marker.n * 3 + GATHER_MARKER_MAX * 2;
    char *memory = g->conf.resize(g->conf.context, NULL, n + 2 * n + g->conf.next.n * 2 + 8);
    if (!memory)
        return ERR_NO_MEMORY;
    out_init(&link, memory, n);
    out_init(&member, memory + n, 2 * n + g->conf.next.n * 2 + 8);
    int rc = put_next(g, &link, &member);
    if (rc == 0 && !gather_bytes_add(&g->conf, &g->scratch, out_get(&member)))
        rc = ERR_NO_MEMORY;
    g->conf.resize(g->conf.context, memory, 0);
    return rc;
}

/* The page is over: sources whose rest is not needed are let go of. */
static int count(struct gather *g)
{
    int more = has_more(g);
    if (more < 0)
        return more;
    g->scratch.n = 0;
    int rc = more ? write_next(g) : 0;
    for (size_t i = 0; i < g->n; i++)
        if (i != g->lead)
            g->sources[i].phase = GATHER_LEFT_OUT;
    gather_source_drain(&g->conf, &g->sources[g->lead]);
    return rc;
}

static int end(struct gather *g)
{
    const struct gather_source *lead = &g->sources[g->lead];
    enqueue(g, STR("]"));
    if (!g->conf.array.n)
        return 0;
    if (lead->is_null_next && g->scratch.n == 0) { /* it has the member, and none comes */
        char null[600];
        struct out o;
        out_init(&o, null, sizeof null);
        out_json(&o, g->conf.next);
        OUT(&o, ":null");
        if (o.overflowed || !gather_bytes_add(&g->conf, &g->scratch, out_get(&o)))
            return ERR_NO_MEMORY;
    }
    if (lead->rest.n) {
        enqueue(g, STR(","));
        enqueue(g, (struct str){lead->rest.p, lead->rest.n});
    }
    if (g->scratch.n) {
        enqueue(g, STR(","));
        enqueue(g, (struct str){g->scratch.p, g->scratch.n});
    }
    enqueue(g, STR("}"));
    return 0;
}

/* ---- steps */

static int failed(const struct gather *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->sources[i].phase == GATHER_FAILED)
            return g->sources[i].code;
    return 0;
}

/* One step: 0, ERR_AGAIN, or what breaks the answer off. */
static int step(struct gather *g)
{
    int rc = failed(g);
    if (rc < 0)
        return rc;
    switch (g->state) {
    case BEGIN:
        g->state = ITEMS;
        return begin(g);
    case ITEMS:
        rc = next_item(g);
        if (rc == 0)
            g->state = COUNT;
        break;
    case COUNT:
        rc = count(g);
        if (rc == 0)
            g->state = DRAIN;
        break;
    case DRAIN:
        if (g->sources[g->lead].phase != GATHER_DONE)
            return ERR_AGAIN;
        g->state = END;
        break;
    case END:
        g->state = OVER;
        return end(g);
    }
    return rc < 0 ? rc : 0;
}

int gather_peek(struct gather *g, struct str *data)
{
    while (g->queue_at == g->queue_n) {
        g->queue_at = g->queue_n = 0;
        if (g->state == OVER)
            return 0;
        int rc = step(g);
        if (rc < 0)
            return rc;
    }
    *data = g->queue[g->queue_at];
    return 1;
}

void gather_consume(struct gather *g, size_t n)
{
    struct str *piece = &g->queue[g->queue_at];
    CHECK(g->queue_at < g->queue_n && n <= piece->n);
    *piece = str_from(*piece, n);
    if (piece->n)
        return;
    g->queue_at++;
    if (g->chosen < g->n) {
        gather_source_pass_item(&g->conf, &g->sources[g->chosen]);
        g->chosen = g->n;
    }
}
