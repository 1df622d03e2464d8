/* Any bytes as a scope.
 *
 * What parses is printed in at most SCOPE_MAX_BYTES, and that parses and is printed as itself; the
 * same holds for what freezing makes of it. What does not parse has its place within the text. The
 * cost is bounded by the length, and a smaller arena changes nothing but to ERR_NO_MEMORY.
 */
#include "fuzz.h"

#include "base/check.h"
#include "scope/internal.h"

/* Parses; the canonical form goes to memory (SCOPE_MAX_BYTES) on success. */
static int parse(struct str text, struct arena *a, struct scope **s, char *memory, struct str *form)
{
    struct diag d = {0};
    struct out o;
    size_t visited = 0, most = text.n < SCOPE_MAX_BYTES ? text.n : SCOPE_MAX_BYTES;
    int rc = scope_parse_counted(text, a, s, &d, &visited);
    CHECK(rc != ERR_NO_MEMORY);
    CHECK(visited <= (2 * SCOPE_MAX_NESTING + 1) * (most + 1));
    CHECK(d.code == rc);
    if (rc < 0) {
        CHECK(d.offset <= text.n && d.length <= text.n - d.offset && d.message[0]);
        return rc;
    }
    out_init(&o, memory, SCOPE_MAX_BYTES);
    scope_print(*s, &o);
    CHECK(!o.overflowed);
    *form = out_get(&o);
    return 0;
}

static void check_fixed_point(struct str form)
{
    char memory[SCOPE_MAX_BYTES];
    struct arena a;
    struct scope *s;
    struct str again;
    arena_init(&a, NULL, 0, SCOPE_MEMORY);
    CHECK(parse(form, &a, &s, memory, &again) == 0);
    CHECK(str_eq(form, again));
    arena_fini(&a);
}

static void check_frozen(const struct scope *s, struct arena *a)
{
    char memory[SCOPE_MAX_BYTES];
    struct scope *frozen;
    struct out o;
    int rc = scope_freeze(s, STR("Nantes"), STR("image"), a, &frozen, NULL);
    CHECK(rc == 0 || rc == ERR_SCOPE_DUPLICATE_KEY || rc == ERR_SCOPE_DUPLICATE_SITE ||
          rc == ERR_SCOPE_LIMIT);
    if (rc < 0)
        return;
    out_init(&o, memory, sizeof memory);
    scope_print(frozen, &o);
    CHECK(!o.overflowed && !scope_has(frozen, SCOPE_HERE));
    check_fixed_point(out_get(&o));
}

static void check_small_arena(struct str text, size_t cap, int want)
{
    struct arena a;
    struct scope *s;
    arena_init(&a, NULL, 0, cap);
    int rc = scope_parse(text, &a, &s, NULL);
    CHECK(rc == want || rc == ERR_NO_MEMORY);
    arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char memory[SCOPE_MAX_BYTES];
    struct str text = {(const char *)data, size}, form;
    struct arena a;
    struct scope *s;
    arena_init(&a, NULL, 0, 2 * SCOPE_MEMORY);
    int rc = parse(text, &a, &s, memory, &form);
    if (rc == 0) {
        check_fixed_point(form);
        check_frozen(s, &a);
    }
    arena_fini(&a);
    check_small_arena(text, size ? 16u * data[size - 1] : 0, rc);
    return 0;
}
