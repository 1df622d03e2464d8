/* What the tests of plans share: five sites around Nantes, and the application of
 * tests/golden/plans/app.yaml. */
#ifndef PLAN_TEST_H
#define PLAN_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "cfg/cfg.h"
#include "plan/explain.h"

enum { BREST, LYON, NANTES, PARIS, RENNES, WORLD_SITES };

struct world {
    struct arena arena;
    struct app *app;
    struct plan_sites sites;
    enum plan_site_state states[WORLD_SITES];
    uint32_t rtt[WORLD_SITES][WORLD_SITES];
};

extern const struct str world_names[WORLD_SITES];

/* Reads the application and sets up the table that the golden files begin with. */
void world_init(struct world *w);
void world_fini(struct world *w);

/* A request and its plan; freed with the arena. */
struct planned {
    struct arena arena;
    struct app_class class_;
    struct plan_in in;
    struct plan *plan;
    struct diag diag;
    int rc;
};
void plan_of(struct planned *p, const struct world *w, const char *method, const char *target,
             const char *scope);
void planned_fini(struct planned *p);

/* "Nantes Paris" for alternatives or the only site, with "a.p.c.r.k" before a leg whose other
 * coordinates are not all 0: its alternative, part, choice, replica, candidate. */
void assert_legs(const struct planned *p, const char *want);

#endif
