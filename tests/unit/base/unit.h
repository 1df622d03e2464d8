/* What every cmocka test needs in front of cmocka.h, and comparing a span with a literal. */
#ifndef TESTS_BASE_UNIT_H
#define TESTS_BASE_UNIT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "base/str.h"

#define assert_str(got, want)                                                                      \
    do {                                                                                           \
        struct str got_ = (got), want_ = STR(want);                                                \
        assert_int_equal(got_.n, want_.n);                                                         \
        assert_memory_equal(got_.p, want_.p, want_.n);                                             \
    } while (0)

#endif
