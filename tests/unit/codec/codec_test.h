/* What the tests of codec share. */
#ifndef TESTS_CODEC_TEST_H
#define TESTS_CODEC_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/out.h"

#define assert_str(got, want)                                                                      \
    do {                                                                                           \
        char text_[1024];                                                                          \
        struct str got_ = (got);                                                                   \
        snprintf(text_, sizeof text_, "%.*s", STR_ARG(got_));                                      \
        assert_string_equal(text_, want);                                                          \
    } while (0)

/* A copy of exactly n bytes, so that AddressSanitizer sees what is read behind it. */
static inline struct str exact(struct str s)
{
    char *p = malloc(s.n + !s.n);
    assert_non_null(p);
    if (s.n)
        memcpy(p, s.p, s.n);
    return (struct str){p, s.n};
}

static inline void exact_free(struct str s)
{
    free((char *)(uintptr_t)s.p);
}

#endif
