/* What the tests of the language share: parsing in an arena of its own, printing into a buffer. */
#ifndef TESTS_SCOPE_TEST_H
#define TESTS_SCOPE_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "scope/internal.h"

#define ENOUGH SCOPE_MEMORY

struct parsed {
    struct arena arena;
    struct scope *scope;
    struct diag diag;
    int rc;
    char form_memory[SCOPE_MAX_BYTES];
    struct str form; /* canonical, "" when rc < 0 */
};

static inline void parse_capped(struct parsed *p, struct str text, size_t cap)
{
    struct out o;
    *p = (struct parsed){0};
    arena_init(&p->arena, NULL, 0, cap);
    out_init(&o, p->form_memory, sizeof p->form_memory);
    p->rc = scope_parse(text, &p->arena, &p->scope, &p->diag);
    if (p->rc == 0)
        scope_print(p->scope, &o);
    assert_false(o.overflowed);
    p->form = out_get(&o);
}

static inline void parse(struct parsed *p, const char *text)
{
    parse_capped(p, str_of(text), ENOUGH);
}

static inline void parse_fini(struct parsed *p)
{
    arena_fini(&p->arena);
}

#define assert_str(got, want)                                                                      \
    do {                                                                                           \
        char text_[SCOPE_MAX_BYTES + 1];                                                           \
        snprintf(text_, sizeof text_, "%.*s", STR_ARG(got));                                       \
        assert_string_equal(text_, want);                                                          \
    } while (0)

#endif
