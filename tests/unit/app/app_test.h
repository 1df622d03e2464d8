/* What the tests of app share: descriptions written as short texts, requests as heads. */
#ifndef TESTS_APP_TEST_H
#define TESTS_APP_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/carrier.h"
#include "app/classify.h"
#include "app/error.h"
#include "base/check.h"
#include "codec/h1.h"

#define assert_str(got, want)                                                                      \
    do {                                                                                           \
        char text_[4096];                                                                          \
        struct str got_ = (got);                                                                   \
        snprintf(text_, sizeof text_, "%.*s", STR_ARG(got_));                                      \
        assert_string_equal(text_, want);                                                          \
    } while (0)

/* Two absent strings, or two that are there and equal; want NULL: absent. */
#define assert_maybe(got, want)                                                                    \
    do {                                                                                           \
        const char *want_ = (want);                                                                \
        struct str is_ = (got);                                                                    \
        if (want_)                                                                                 \
            assert_str(is_, want_);                                                                \
        assert_true((is_.p == NULL) == (want_ == NULL));                                           \
    } while (0)

struct rule_text {
    const char *operation;
    enum app_kind kind;
    const char *method; /* NULL: any */
    const char *path;
    int type;                     /* index, -1: none */
    struct app_condition when[2]; /* those with a name or a value count */
};

/* "/v2/images/{id}": template of a path, in the arena. */
struct app_template template_of(struct arena *a, const char *path);
/* A service with these rules, not compiled; the types are the caller's. */
void service_init(struct app_service *s, struct arena *a, const struct rule_text *rules, size_t n,
                  struct app_type *types, size_t n_types);

/* A request head, parsed. */
struct request {
    struct h1_head head;
    struct h1_field fields[64];
    struct str bytes; /* of exactly the head's size */
};

/* lines: "Name: value\r\n" each. */
void request_init(struct request *r, const char *method, const char *target, const char *lines);
void request_fini(struct request *r);

#endif
