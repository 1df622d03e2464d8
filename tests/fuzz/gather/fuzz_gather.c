/* Any bytes as the answers of up to four sites.
 *
 * The first byte says how lists are read (its highest bit: what comes while an item is written),
 * the second how the rest is cut; a byte 0xff ends one site's answer. However it is cut the merged
 * answer, or whether there is one, is the same; it is JSON; a page has at most as many items as the
 * limit, and the marker in its link can be read.
 */
#include "fuzz.h"

#include <stdlib.h>

#include "base/check.h"
#include "codec/uri.h"
#include "plan/gather.h"

#define SOURCES 4
#define OUTPUT  (1 << 20)

struct run {
    struct gather g;
    struct gather_source sources[SOURCES];
    struct str input[SOURCES];
    size_t n;
    char *output;
    size_t output_n;
};

static void *resize(void *context, void *old, size_t n)
{
    if (n)
        return realloc(old, n);
    free(old);
    return NULL;
}

static struct gather_conf conf_of(uint8_t how)
{
    struct gather_conf c = {
        .array = how & 1 ? STR("/a") : STR(""),
        .sort = how & 2 ? STR("/s") : STR_NULL,
        .is_descending = how & 4,
        .id = how & 8 ? STR("/i") : STR_NULL,
        .ids_unique = how & 16,
        .limit = how & 32 ? 2 : 0,
        .unit_max = 200,
        .target = STR("/a?m=1&l=2"),
        .resize = resize,
    };
    if (how & 1 && how & 8 && how & 64) {
        c.next = STR("n");
        c.marker = STR("m");
    }
    return c;
}

/* Pushes up to `piece` bytes, or the end. False: nothing moved. */
static bool push(struct run *r, size_t i, size_t *at, size_t piece)
{
    if (r->sources[i].ended || r->sources[i].phase >= GATHER_DONE)
        return false;
    if (*at == r->input[i].n) {
        int rc = gather_end(&r->g, i);
        CHECK(rc == 0 || rc == ERR_SERVICE_BROKEN);
        return true;
    }
    if (!gather_wants(&r->g, i))
        return false;
    long n = gather_push(&r->g, i, str_sub(r->input[i], *at, piece));
    CHECK(n == ERR_SERVICE_BROKEN || n > 0);
    *at += n > 0 ? (size_t)n : 0;
    return true;
}

static int merge(struct run *r, uint8_t how, size_t piece)
{
    struct gather_conf c = conf_of(how);
    size_t at[SOURCES] = {0};
    struct str data;
    int rc;
    gather_init(&r->g, &c, r->sources, r->n);
    for (size_t i = 0; i < r->n; i++) {
        r->sources[i].site = STR("S");
        while (r->sources[i].phase != GATHER_FAILED && !gather_is_ready(&r->g, i))
            CHECK(push(r, i, &at[i], piece));
    }
    while ((rc = gather_peek(&r->g, &data)) != 0) {
        bool moved = rc > 0;
        for (size_t i = 0; rc == ERR_AGAIN && i < r->n; i++)
            moved |= push(r, i, &at[i], piece);
        if (rc < 0 && rc != ERR_AGAIN)
            break;
        CHECK(moved);
        if (rc == ERR_AGAIN)
            continue;
        data = str_sub(data, 0, piece);
        CHECK(r->output_n + data.n <= OUTPUT);
        memcpy(r->output + r->output_n, data.p, data.n);
        r->output_n += data.n;
        gather_consume(&r->g, data.n);
        if (how & 128)
            push(r, 0, &at[0], piece);
    }
    return rc;
}

static void check_output(struct str out, uint8_t how)
{
    struct str value, marker, places;
    struct arena a;
    CHECK(json_is_valid(out, NULL));
    if (how & 32)
        CHECK(json_find(out, how & 1 ? STR("/a/2") : STR("/2"), &value) == JSON_ABSENT);
    if (conf_of(how).next.p && json_find(out, STR("/n"), &value) == JSON_FOUND &&
        value.p[0] == '"') {
        CHECK(uri_query_find(str_sub(value, 1, value.n - 2), STR("m"), &marker));
        arena_init(&a, NULL, 0, 65536);
        CHECK(gather_marker_read(marker, &a, &places) == 0);
        arena_fini(&a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char memory[2][OUTPUT];
    struct run runs[2] = {{.output = memory[0]}, {.output = memory[1]}};
    int rc[2];
    if (size < 2 || size > OUTPUT / 4)
        return 0;
    size_t pieces[] = {1u << 20, 1u + data[1] % 64};
    for (size_t k = 0; k < 2; k++) {
        struct str rest = {(const char *)data + 2, size - 2}, piece;
        while (runs[k].n < SOURCES && str_split(&rest, '\xff', &piece))
            runs[k].input[runs[k].n++] = piece;
        rc[k] = merge(&runs[k], data[0], pieces[k]);
        gather_fini(&runs[k].g);
    }
    CHECK(rc[0] == rc[1]);
    if (rc[0] == 0) {
        struct str whole = {memory[0], runs[0].output_n}, cut = {memory[1], runs[1].output_n};
        CHECK(str_eq(whole, cut));
        check_output(whole, data[0]);
    }
    struct arena a;
    struct str places;
    arena_init(&a, NULL, 0, 65536);
    int read = gather_marker_read((struct str){(const char *)data, size}, &a, &places);
    CHECK(read == 0 || read == ERR_INVALID || read == ERR_NO_MEMORY);
    arena_fini(&a);
    return 0;
}
