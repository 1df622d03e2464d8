/* Any bytes as a scope: what parses prints, and what is printed parses to the same text. */
#include "fuzz.h"

#include "base/check.h"
#include "scope/scope.h"

#define ROOM (8 * SCOPE_MAX_BYTES)

static bool print(struct str text, struct arena *a, struct out *o, void *memory)
{
    struct scope *s;
    struct diag d = {0};
    int rc = scope_parse(text, a, &s, &d);
    CHECK(rc == 0 || (d.code == rc && d.offset <= text.n && d.message[0]));
    if (rc < 0)
        return false;
    out_init(o, memory, ROOM);
    scope_print(s, o);
    CHECK(!o->overflowed);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char first[ROOM], second[ROOM];
    struct arena a;
    struct out o, again;
    arena_init(&a, NULL, 0, 1 << 20);
    if (print((struct str){(const char *)data, size}, &a, &o, first) && o.n <= SCOPE_MAX_BYTES) {
        CHECK(print(out_get(&o), &a, &again, second));
        CHECK(str_eq(out_get(&o), out_get(&again)));
    }
    arena_fini(&a);
    return 0;
}
