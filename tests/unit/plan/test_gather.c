/* The gatherer: what is merged, in which order, what is beside the array, pages, faults; each
 * with its input cut in many ways. The merge is compared with a plain one over arrays. */
#include "plan_test.h"

#include "codec/uri.h"
#include "plan/gather.h"

#define MAX_SOURCES 4
#define OUTPUT      (4 << 20)

struct driven {
    struct gather g;
    struct gather_source sources[MAX_SOURCES];
    struct str input[MAX_SOURCES];
    size_t at[MAX_SOURCES];
    size_t n, piece;
    char *output;
    size_t output_n;
    size_t held, most_held; /* bytes that the gatherer has, and the most that it had */
    int rc;                 /* of the source or the answer that failed; 0 */
};

static const char *const names[MAX_SOURCES] = {"Nantes", "Paris", "Lyon", "Brest"};

/* realloc that knows what is held: the size is in front. */
static void *resize(void *context, void *old, size_t n)
{
    struct driven *d = context;
    size_t *block = old ? (size_t *)old - 2 : NULL;
    d->held -= block ? block[0] : 0;
    if (n == 0) {
        free(block);
        return NULL;
    }
    block = realloc(block, n + 2 * sizeof *block);
    assert_non_null(block);
    block[0] = n;
    d->held += n;
    d->most_held = d->held > d->most_held ? d->held : d->most_held;
    return block + 2;
}

static void drive_init(struct driven *d, const struct gather_conf *conf, const struct str *inputs,
                       size_t n, size_t piece)
{
    struct gather_conf c = *conf;
    *d = (struct driven){.n = n, .piece = piece, .output = malloc(OUTPUT)};
    assert_non_null(d->output);
    c.resize = resize;
    c.context = d;
    c.unit_max = c.unit_max ? c.unit_max : 1 << 20;
    for (size_t i = 0; i < n; i++) {
        d->sources[i].site = str_of(names[i]);
        d->input[i] = inputs[i];
    }
    gather_init(&d->g, &c, d->sources, n);
}

static void drive_fini(struct driven *d)
{
    gather_fini(&d->g);
    assert_int_equal(d->held, 0);
    free(d->output);
}

/* Pushes at most one piece. Whether something moved. */
static bool push(struct driven *d, size_t i)
{
    struct gather_source *s = &d->sources[i];
    if (s->ended || s->phase >= GATHER_DONE)
        return false;
    if (d->at[i] == d->input[i].n) {
        d->rc = gather_end(&d->g, i);
        return true;
    }
    if (!gather_wants(&d->g, i))
        return false;
    long n = gather_push(&d->g, i, str_sub(d->input[i], d->at[i], d->piece));
    if (n < 0)
        d->rc = (int)n;
    else
        d->at[i] += (size_t)n;
    return n != 0;
}

/* Runs to the end of the answer, or to what is wrong. */
static int drive(struct driven *d)
{
    struct str data;
    int rc;
    for (size_t i = 0; i < d->n; i++)
        while (d->sources[i].phase != GATHER_LEFT_OUT && !gather_is_ready(&d->g, i)) {
            assert_true(push(d, i));
            if (d->rc < 0)
                return d->rc;
        }
    while ((rc = gather_peek(&d->g, &data)) != 0) {
        if (rc == ERR_AGAIN) {
            bool moved = false;
            for (size_t i = 0; i < d->n; i++)
                moved |= push(d, i);
            assert_true(moved);
            continue;
        }
        if (rc < 0)
            return rc;
        data = str_sub(data, 0, d->piece);
        assert_true(d->output_n + data.n < OUTPUT);
        memcpy(d->output + d->output_n, data.p, data.n);
        d->output_n += data.n;
        gather_consume(&d->g, data.n);
        for (size_t i = 0; i < d->n; i++) /* what is being written stays, whatever comes */
            push(d, i);
        if (d->rc < 0)
            return d->rc;
    }
    assert_true(json_is_valid((struct str){d->output, d->output_n}, NULL));
    return 0;
}

static const size_t pieces[] = {1, 2, 3, 5, 7, 64, 1000, 1 << 20};

/* Runs with every piece; all must give `want`. */
static void check(const struct gather_conf *conf, const struct str *inputs, size_t n,
                  const char *want)
{
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct driven d;
        drive_init(&d, conf, inputs, n, pieces[i]);
        int rc = drive(&d);
        if (rc < 0)
            fail_msg("%s: %s", want, err_name(rc));
        d.output[d.output_n] = 0;
        assert_string_equal(d.output, want);
        drive_fini(&d);
    }
}

static const struct gather_conf images = {
    .array = {"/images", 7},
    .sort = {"/at", 3},
    .id = {"/id", 3},
    .ids_unique = true,
    .next = {"next", 4},
    .marker = {"marker", 6},
    .target = {"/v2/images?limit=2", 18},
};

static void test_order(void **state)
{
    struct gather_conf c = images;
    struct str in[] = {
        STR(" {\"images\" : [ {\"id\":\"a\",\"at\":1} , {\"id\":\"b\",\"at\":4.5},\n{\"id\":\"c\","
            "\"at\":\"2\"}] , \"first\" : \"/v2\"} "),
        STR("{\"schema\":1,\"images\":[{\"at\":null,\"id\":1},{\"id\":2,\"at\":-3},{\"id\":3,"
            "\"at\":"
            "4.25}]}"),
        STR("{\"images\":[]}"),
    };
    check(
        &c, in, 3,
        "{\"images\":[{\"at\":null,\"id\":1},{\"id\":2,\"at\":-3},{\"id\":\"a\",\"at\":1},{\"id\":"
        "3,"
        "\"at\":4.25},{\"id\":\"b\",\"at\":4.5},{\"id\":\"c\",\"at\":\"2\"}],\"first\" : \"/v2\"}");
    c.sort = STR_NULL;
    check(
        &c, in, 2,
        "{\"images\":[{\"id\":\"a\",\"at\":1},{\"id\":\"b\",\"at\":4.5},{\"id\":\"c\",\"at\":\"2\"}"
        ",{"
        "\"at\":null,\"id\":1},{\"id\":2,\"at\":-3},{\"id\":3,\"at\":4.25}],\"first\" : \"/v2\"}");
}

static void test_descending(void **state)
{
    struct gather_conf c = images;
    c.is_descending = true;
    struct str in[] = {STR("{\"images\":[{\"id\":\"a\",\"at\":10},{\"id\":\"b\",\"at\":9}]}"),
                       STR("{\"images\":[{\"id\":\"c\",\"at\":10},{\"id\":\"d\",\"at\":9.5}]}")};
    check(
        &c, in, 2,
        "{\"images\":[{\"id\":\"a\",\"at\":10},{\"id\":\"c\",\"at\":10},{\"id\":\"d\",\"at\":9.5},{"
        "\"id\":\"b\",\"at\":9}]}");
}

/* The array itself is the answer; what is in it need not be objects. */
static void test_bare(void **state)
{
    struct gather_conf c = {.array = STR("")};
    struct str in[] = {STR("[1,[2],\"3\"]"), STR(" [ true , null ] ")};
    check(&c, in, 2, "[1,[2],\"3\",true,null]");
}

static void test_replicas(void **state)
{
    struct gather_conf c = images;
    struct str in[] = {
        STR("{\"images\":[{\"id\":\"a\",\"at\":1},{\"id\":\"b\",\"at\":5}]}"),
        STR("{\"images\":[{\"id\":\"b\",\"at\":2},{\"id\":\"a\",\"at\":9},{\"id\":7,\"at\":9}]}")};
    check(&c, in, 2,
          "{\"images\":[{\"id\":\"a\",\"at\":1},{\"id\":\"b\",\"at\":2},{\"id\":7,\"at\":9}]}");
    c.ids_unique = false;
    check(&c, in, 2,
          "{\"images\":[{\"id\":\"a\",\"at\":1},{\"id\":\"b\",\"at\":2},{\"id\":\"b\",\"at\":5},{"
          "\"id\":\"a\",\"at\":9},{\"id\":7,\"at\":9}]}");
}

/* Members: null for an array, a repeated array, a link that is null, names with escapes. */
static void test_members(void **state)
{
    struct gather_conf c = images;
    struct str in[] = {STR("{\"next\":null,\"images\":null,\"images\":[3],\"x\":{\"images\":[1]}}"),
                       STR("{\"im\\u0061ges\":[{\"id\":\"a\"}]}")};
    check(&c, in, 2, "{\"images\":[{\"id\":\"a\"}],\"x\":{\"images\":[1]},\"next\":null}");
}

/* ---- faults */

#define NOT_JSON "its list is not JSON, or not all of it"

static void test_faults(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", NOT_JSON},
        {"[]", "its list is no object"},
        {"\"images\"", "its list is no object"},
        {"{\"image\":[]}", "its list has no array"},
        {"{\"images\":{}}", "what should be the array of its list is none"},
        {"{\"images\":[{\"id\":1}", NOT_JSON},
        {"{\"images\":[{\"id\":1},]}", NOT_JSON},
        {"{\"images\":[]} x", NOT_JSON},
        {"<html>", NOT_JSON},
        {"{\"images\":[{\"name\":1}]}", "an item of its list has no identifier that could be a "
                                        "marker"},
        {"{\"images\":[{\"id\":{}}]}",
         "an item of its list has no identifier that could be a marker"},
        {"{\"images\":[],\"next\":\"/v2/images?limit=2\"}",
         "its link to the next page has no marker that can be passed on"},
        {"{\"images\":[],\"next\":3}",
         "its link to the next page has no marker that can be passed on"},
        {"{\"images\":[{\"id\":1,\"x\":\"0123456789012345678901234567890\"}]}",
         "an item of its list is longer than limits.list_item"},
        {"{\"images\":[],\"first\":\"0123456789012345678901234567890\"}",
         "what its list has beside the array is longer than limits.list_item"},
    };
    struct gather_conf c = images;
    c.unit_max = 40;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t k = 0; k < COUNT_OF(pieces); k++) {
            struct driven d;
            struct str in = str_of(rows[i].text);
            drive_init(&d, &c, &in, 1, pieces[k]);
            assert_int_equal(drive(&d), ERR_SERVICE_BROKEN);
            assert_string_equal(d.sources[0].why, rows[i].why);
            drive_fini(&d);
        }
}

/* Text of n bytes with `begin` and `end` around as many x. */
static struct str stretched(const char *begin, const char *end, size_t n)
{
    size_t a = strlen(begin), b = strlen(end);
    char *p = malloc(n);
    assert_non_null(p);
    memset(p, 'x', n);
    memcpy(p, begin, a);
    memcpy(p + n - b, end, b);
    return (struct str){p, n};
}

/* An item of exactly the limit passes, one byte more does not; the memory is bounded by it. */
static void test_long_items(void **state)
{
    struct gather_conf c = images;
    c.unit_max = 100000;
    for (size_t more = 0; more < 2; more++) {
        struct driven d;
        struct str in[] = {stretched("{\"images\":[{\"id\":\"", "\"}]}", 100013 + more),
                           STR("{\"images\":[]}")};
        c.next = STR_NULL;
        drive_init(&d, &c, in, 2, 5000);
        assert_int_equal(drive(&d), more ? ERR_SERVICE_BROKEN : 0);
        assert_true(d.most_held <= 100000 + 2 * GATHER_WINDOW + 4096 +
                                       sizeof(struct gather_source) + GATHER_IDS * 12);
        free((char *)(uintptr_t)in[0].p);
        drive_fini(&d);
    }
}

/* A site that is missing is left out of the page, and stands in its marker where it stood. */
static void test_left_out(void **state)
{
    struct gather_conf c = images;
    struct driven d;
    struct gather_place place;
    struct arena a;
    struct str in[] = {STR("{\"images\":[]}"), STR("{\"images\":[{\"id\":\"b\"},{\"id\":\"c\"}]}")};
    struct str link, marker, places;
    char text[1000];
    struct out o;
    c.limit = 1;
    drive_init(&d, &c, in, 2, 3);
    d.sources[0].asked = (struct gather_place){GATHER_AT_MARKER, STR("a,!:%\n")};
    gather_leave_out(&d.g, 0);
    assert_int_equal(drive(&d), 0);
    assert_int_equal(json_find((struct str){d.output, d.output_n}, STR("/next"), &link),
                     JSON_FOUND);
    assert_true(uri_query_find(str_sub(link, 1, link.n - 2), STR("marker"), &marker));
    out_init(&o, text, sizeof text);
    assert_int_equal(uri_value_decode(marker, &o), 0);
    arena_init(&a, NULL, 0, 4096);
    assert_int_equal(gather_marker_read(out_get(&o), &a, &places), 0);
    assert_true(gather_marker_find(places, STR("Nantes"), &a, &place));
    assert_int_equal(place.at, GATHER_AT_MARKER);
    assert_true(str_eq(place.marker, STR("a,!:%\n")));
    assert_true(gather_marker_find(places, STR("Paris"), &a, &place));
    assert_true(str_eq(place.marker, STR("b")));
    arena_fini(&a);
    drive_fini(&d);
}

/* ---- against a plain merge, page by page */

struct item {
    unsigned id, at;
};
struct model {
    struct item items[64];
    size_t n;
};

static uint64_t random_state;
static unsigned roll(unsigned below)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 33) % below;
}

static void put_item(struct out *o, const struct item *i, bool comma)
{
    out_fmt(o, "%s{\"id\":\"i%u\",\"at\":%u}", comma ? "," : "", i->id, i->at);
}

/* What a site answers: at most `limit` items behind the marker. */
static void serve(const struct model *m, const struct gather_place *place, size_t limit,
                  struct out *o)
{
    size_t at = 0, n = 0;
    uint64_t id = 0;
    if (place->at == GATHER_AT_MARKER) {
        assert_int_equal(str_digits(str_from(place->marker, 1), 1000000, &id), 0);
        while (at < m->n && m->items[at].id != id)
            at++;
        assert_true(at < m->n); /* a site is only asked for what it has */
        at++;
    }
    OUT(o, "{\"images\":[");
    for (; at < m->n && n < limit; at++, n++)
        put_item(o, &m->items[at], n > 0);
    OUT(o, "]");
    if (at < m->n && n)
        out_fmt(o, ",\"next\":\"/v2/images?limit=%zu&marker=i%u\"", limit, m->items[at - 1].id);
    OUT(o, "}");
}

struct fleet {
    struct model models[MAX_SOURCES];
    size_t n, limit, piece;
};

static bool is_among(const struct item *items, size_t n, unsigned id)
{
    for (size_t i = 0; i < n; i++)
        if (items[i].id == id)
            return true;
    return false;
}

/* All items in order, those with the same identifier once. */
static size_t plain_merge(const struct model *models, size_t n, struct item *to)
{
    size_t at[MAX_SOURCES] = {0}, got = 0;
    for (;;) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (at[i] < models[i].n &&
                (best == n || models[i].items[at[i]].at > models[best].items[at[best]].at))
                best = i;
        if (best == n)
            return got;
        const struct item *next = &models[best].items[at[best]++];
        if (!is_among(to, got, next->id))
            to[got++] = *next;
    }
}

/* One page: its items are appended to `text`; the marker of the next one, or absent. */
static struct str page(const struct fleet *f, struct str places, struct arena *a, struct out *text)
{
    struct gather_conf c = images;
    struct driven d;
    struct str in[MAX_SOURCES], link, items, marker, read;
    bool is_first = places.p == NULL;
    c.is_descending = true;
    c.limit = f->limit;
    for (size_t i = 0; i < f->n; i++)
        in[i] = STR_NULL;
    drive_init(&d, &c, in, f->n, f->piece);
    for (size_t i = 0; i < f->n; i++) {
        struct gather_source *s = &d.sources[i];
        struct out o;
        char *memory = arena_alloc(a, 8192);
        out_init(&o, memory, 8192);
        if (!is_first)
            assert_true(gather_marker_find(places, s->site, a, &s->asked));
        if (s->asked.at == GATHER_AT_END)
            gather_leave_out(&d.g, i);
        else
            serve(&f->models[i], &s->asked, f->limit, &o);
        assert_false(o.overflowed);
        d.input[i] = out_get(&o);
    }
    assert_int_equal(drive(&d), 0);
    struct str all = arena_str(a, (struct str){d.output, d.output_n});
    drive_fini(&d);
    assert_int_equal(json_find(all, STR("/images"), &items), JSON_FOUND);
    if (text->n && items.n > 2)
        out_char(text, ',');
    out_str(text, str_sub(items, 1, items.n - 2));
    if (json_find(all, STR("/next"), &link) != JSON_FOUND)
        return STR_NULL;
    assert_true(uri_query_find(str_sub(link, 1, link.n - 2), STR("marker"), &marker));
    assert_true(gather_marker_is(marker));
    assert_int_equal(gather_marker_read(marker, a, &read), 0);
    return read;
}

static void make_models(struct model *models, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        models[i].n = roll(40);
        unsigned at = 1000;
        for (size_t k = 0; k < models[i].n; k++) {
            at -= roll(4);
            models[i].items[k] = (struct item){(unsigned)(i * 100 + k), at};
        }
    }
}

static void test_pages(void **state)
{
    for (random_state = 1; random_state < 400;) {
        uint64_t seed = random_state;
        struct fleet f;
        struct item merged[MAX_SOURCES * 64];
        size_t n_pages = 0;
        f.n = 1 + roll(MAX_SOURCES);
        f.limit = 1 + roll(12);
        f.piece = 1 + roll(50);
        char got[32768], want[32768];
        struct out g, w;
        struct arena a;
        struct str places = STR_NULL;
        make_models(f.models, f.n);
        size_t n_merged = plain_merge(f.models, f.n, merged);
        out_init(&g, got, sizeof got);
        out_init(&w, want, sizeof want);
        for (size_t i = 0; i < n_merged; i++)
            put_item(&w, &merged[i], i > 0);
        arena_init(&a, NULL, 0, 64 << 20);
        do {
            places = page(&f, places, &a, &g);
            assert_true(++n_pages < 1000);
        } while (places.p);
        arena_fini(&a);
        assert_false(g.overflowed || w.overflowed);
        if (!str_eq(out_get(&g), out_get(&w)))
            fail_msg("seed %llu: %.*s, not %.*s", (unsigned long long)seed, STR_ARG(out_get(&g)),
                     STR_ARG(out_get(&w)));
        random_state = seed + 1;
    }
}

/* Replicas within the last GATHER_IDS items are known, and memory does not grow with the items. */
static void test_many(void **state)
{
    enum { ITEMS = 10000 };
    struct gather_conf c = images;
    struct driven d;
    struct str in[2];
    struct out o[2];
    c.next = STR_NULL;
    for (size_t i = 0; i < 2; i++) {
        char *memory = malloc(OUTPUT);
        assert_non_null(memory);
        out_init(&o[i], memory, OUTPUT);
        OUT(&o[i], "{\"images\":[");
        for (unsigned k = 0; k < ITEMS; k++) /* the second has them 1000 later */
            put_item(&o[i], &(struct item){k, k + (unsigned)i * 1000}, k > 0);
        OUT(&o[i], "]}");
        assert_false(o[i].overflowed);
        in[i] = out_get(&o[i]);
    }
    drive_init(&d, &c, in, 2, 4000);
    assert_int_equal(drive(&d), 0);
    assert_true(d.output_n == in[0].n && memcmp(d.output, in[0].p, in[0].n) == 0);
    assert_true(d.most_held <= 2 * GATHER_WINDOW + 4096 + GATHER_IDS * 12 + 64);
    drive_fini(&d);
    free(o[0].p);
    free(o[1].p);
}

/* ---- what the description and the query say */

static void test_conf(void **state)
{
    static const struct {
        const char *query, *sort;
        bool is_descending;
        uint64_t limit;
    } rows[] = {
        {"", "/created_at", true, 0},
        {"?limit=7&sort_dir=asc", "/created_at", false, 7},
        {"?limit=-1&sort_dir=up", "/created_at", true, 0},
        {"?sort_key=name&sort_key=size", "/name", true, 0},
        {"?sort=a%2Fb~:asc,size:desc", "/a~1b~0", false, 0},
        {"?sort=size:desc&sort_dir=asc&sort_key=name", "/name", false, 0},
        {"?sort=%2", "/created_at", true, 0},
        {"?sort=", "/created_at", true, 0},
    };
    struct str by[] = {STR("sort_key"), STR("sort")};
    struct app_type type = {
        .id_pointer = STR("/image/id"),
        .ids_unique = true,
        .list = {.array = STR("/images"),
                 .sort_key = STR("created_at"),
                 .order = APP_DESCENDING,
                 .sort_by = by,
                 .n_sort_by = 2,
                 .order_parameter = STR("sort_dir"),
                 .limit_parameter = STR("limit"),
                 .marker_parameter = STR("marker")},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct gather_conf c;
        struct arena a;
        arena_init(&a, NULL, 0, 4096);
        assert_int_equal(gather_conf_read(&type, str_of(rows[i].query), &a, &c), 0);
        if (!str_eq(c.sort, str_of(rows[i].sort)))
            fail_msg("%s: sorts by %.*s", rows[i].query, STR_ARG(c.sort));
        assert_int_equal(c.is_descending, rows[i].is_descending);
        assert_int_equal(c.limit, rows[i].limit);
        assert_true(str_eq(c.id, STR("/image/id")));
        arena_fini(&a);
    }
    struct gather_conf c;
    struct arena small;
    arena_init(&small, NULL, 0, 16);
    assert_int_equal(gather_conf_read(&type, STR("?sort_key=0123456789abcdef"), &small, &c),
                     ERR_NO_MEMORY);
    arena_fini(&small);
    type.list.sort_key = STR_NULL;
    type.list.id = STR("/id");
    arena_init(&small, NULL, 0, 4096);
    assert_int_equal(gather_conf_read(&type, STR("?sort_key=name"), &small, &c), 0);
    assert_null(c.sort.p);
    assert_true(str_eq(c.id, STR("/id")));
    arena_fini(&small);
}

/* ---- markers, settling */

static void test_bad_markers(void **state)
{
    static const char *const bad[] = {"",           "abc",        "cheops1-!",      "cheops1-",
                                      "cheops1-LA", "cheops1-Og", "cheops1-TjolWg", "cheops1-IQ"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct arena a;
        struct str places;
        arena_init(&a, NULL, 0, 4096);
        assert_int_equal(gather_marker_read(str_of(bad[i]), &a, &places), ERR_INVALID);
        arena_fini(&a);
    }
}

/* More places than a marker has room for break the answer off. */
static void test_marker_too_long(void **state)
{
    enum { MANY = 20 };
    struct gather_source sources[MANY] = {0};
    struct gather_conf c = images;
    struct driven d;
    char id[GATHER_ID_MAX];
    struct str in = STR("{\"images\":[{\"id\":1},{\"id\":2}]}");
    memset(id, 'x', sizeof id);
    c.limit = 1;
    drive_init(&d, &c, &in, 1, 100);
    gather_init(&d.g, &d.g.conf, sources, MANY);
    for (size_t i = 0; i < MANY; i++) {
        sources[i].site = STR("Nantes");
        sources[i].asked = (struct gather_place){GATHER_AT_MARKER, {id, sizeof id}};
        if (i)
            gather_leave_out(&d.g, i);
    }
    assert_int_equal(gather_push(&d.g, 0, in), in.n);
    assert_int_equal(gather_end(&d.g, 0), 0);
    struct str data;
    int rc;
    while ((rc = gather_peek(&d.g, &data)) > 0)
        gather_consume(&d.g, data.n);
    assert_int_equal(rc, ERR_LIMIT);
    drive_fini(&d);
}

static void test_settle(void **state)
{
    static const struct {
        const char *parts; /* '?' open, '-' unasked, 'r' ready, else the status' first digit, '1'
                              401, '0' none */
        bool missing_fails;
        enum gather_verdict want;
        size_t which;
    } rows[] = {
        {"r?r", false, GATHER_UNDECIDED, 0}, {"?00", true, GATHER_UNDECIDED, 0},
        {"rrr", true, GATHER_ANSWER, 0},     {"r5r", false, GATHER_ANSWER, 1},
        {"r5r", true, GATHER_FAIL, 1},       {"000", false, GATHER_FAIL, 0},
        {"054", false, GATHER_PASS, 2},      {"0541", false, GATHER_PASS, 3},
        {"05413", false, GATHER_PASS, 4},    {"0505", true, GATHER_PASS, 1},
        {"0", true, GATHER_FAIL, 0},         {"--r-", true, GATHER_ANSWER, 0},
        {"-0-5", false, GATHER_PASS, 3},     {"-?", false, GATHER_UNDECIDED, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct gather_part parts[8];
        size_t n = strlen(rows[i].parts), which = 99;
        for (size_t k = 0; k < n; k++) {
            char p = rows[i].parts[k];
            parts[k].state = p == '?'   ? GATHER_PART_OPEN
                             : p == '-' ? GATHER_PART_UNASKED
                             : p == 'r' ? GATHER_PART_READY
                                        : GATHER_PART_MISSING;
            parts[k].status = p == '1' ? 401 : p > '1' && p < '9' ? (unsigned)(p - '0') * 100 : 0;
        }
        assert_int_equal(gather_settle(parts, n, rows[i].missing_fails, &which), rows[i].want);
        if (rows[i].want == GATHER_PASS || rows[i].want == GATHER_FAIL)
            assert_int_equal(which, rows[i].which);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_descending),
        cmocka_unit_test(test_bare),        cmocka_unit_test(test_replicas),
        cmocka_unit_test(test_members),     cmocka_unit_test(test_faults),
        cmocka_unit_test(test_long_items),  cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_pages),       cmocka_unit_test(test_many),
        cmocka_unit_test(test_bad_markers), cmocka_unit_test(test_marker_too_long),
        cmocka_unit_test(test_settle),      cmocka_unit_test(test_conf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
