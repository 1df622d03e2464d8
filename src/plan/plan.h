/* plan/plan.h: what a scope means for one request (scope-lang.md sections 3 and 4), pure.
 *
 * A plan is made once, where the request entered, from the frozen scope, the request's class and a
 * view of the sites; it is a flat list of legs with coordinates, and can be printed without being
 * run. The same code answers `cheops explain`, the admin API and the daemon.
 *
 *     struct plan *p;
 *     if (plan_make(&in, &arena, &p, &d) < 0) …     scope-unknown-site, scope-not-replicable, …
 *     if (p->unsupported) …                          can be printed, not run by this version
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "app/classify.h"
#include "scope/scope.h"

#define PLAN_RTT_UNKNOWN UINT32_MAX

enum plan_site_state { PLAN_SITE_UNKNOWN, PLAN_SITE_UP, PLAN_SITE_SUSPECT, PLAN_SITE_DOWN };

/* The sites that the resolving site knows, itself among them, in name order. */
struct plan_sites {
    const struct str *names;
    size_t n;
    size_t self;
    const void *context; /* handed to the two functions */
    enum plan_site_state (*state)(const void *context, size_t site);
    /* Measured round trip in microseconds from one site to another, as the first published it;
     * PLAN_RTT_UNKNOWN when nothing was measured. */
    uint32_t (*rtt_us)(const void *context, size_t from, size_t to);
};

struct plan_in {
    const struct app *app;
    const struct app_service *service;
    const struct app_class *class_;
    struct str method;         /* as sent; decides what an opaque request may do on several sites */
    const struct scope *scope; /* frozen (scope_freeze); NULL: none was given */
    const struct plan_sites *sites;
};

enum plan_form {
    PLAN_LOCAL,     /* where the request is */
    PLAN_ONE,       /* one site */
    PLAN_OTHERWISE, /* `;`, `around`: the first alternative that succeeds */
    PLAN_REPLICA,   /* `&`, `*` */
    PLAN_CROSS,     /* `%` */
    PLAN_FORMS
};

/* Why a site takes part. */
enum plan_why {
    PLAN_WHY_DEFAULT, /* the scope does not bind the service: where the request is */
    PLAN_WHY_BINDING, /* named by the binding */
    PLAN_WHY_AROUND,  /* within the measured time of an around() */
    PLAN_WHY_ALL,     /* `*` */
};

/* What becomes of the legs, for one kind of operation (the table of section 4). */
enum plan_policy {
    PLAN_FORWARD,    /* the one leg's answer */
    PLAN_FIRST,      /* in order, until one succeeds */
    PLAN_NEAREST,    /* one replica: here, else the nearest that has it (as PLAN_FIRST) */
    PLAN_MERGE,      /* all are asked, answers merged (plan/gather.h) */
    PLAN_EVERYWHERE, /* logged and run on every replica or part */
};

/* One site's part of the plan. The five coordinates say where it stands, from the outside in; they
 * count from 0 and are 0 where that operator is not used. Legs are in the order of the coordinates,
 * the last one the fastest, so that an otherwise is run by walking the array.
 *
 *     A ; B                    alternative 0, 1
 *     (A & B ; C) % (D ; E)    part 0: choice 0: replica 0 (A), 1 (B); choice 1 (C)
 *                              part 1: candidate 0 (D), 1 (E)
 *
 * Of choices and candidates the first that is up is taken. With PLAN_NEAREST each site is a leg
 * once, and they are in the order in which they are asked. */
struct plan_leg {
    uint16_t site;        /* index into plan_sites */
    uint16_t alternative; /* of `;` on the outside */
    uint16_t part;        /* of `%` */
    uint16_t choice;      /* of a `;` under `%` that holds `&` */
    uint16_t replica;     /* of `&` */
    uint16_t candidate;   /* of a `;` of single sites inside `&` or `%` */
    enum plan_why why;
    bool is_prime;     /* of a cross */
    uint32_t rtt_us;   /* the measured time that an around() went by; else PLAN_RTT_UNKNOWN */
    struct str around; /* the site that it was measured from; absent: no around */
};

struct plan {
    enum plan_form form;
    enum plan_policy policy;
    struct plan_leg *legs; /* at least one */
    size_t n_legs;
    const struct scope_binding *binding; /* that decided; NULL: the default */
    int unsupported;            /* 0, or ERR_SCOPE_UNSUPPORTED: what this version does not run */
    struct str unsupported_why; /* a sentence without a full stop, for the answer's message */
    uint64_t timeout_us;        /* of the scope; 0: the configuration's */
    bool missing_fails;         /* missing: fail */
    enum scope_wait wait;
    enum scope_consistency consistency;
};

/* Makes the plan, in the arena; it borrows the strings of scope, app and sites. The checks of
 * section 2 that need names: scope-unknown-service, scope-unknown-site (a name that is not in
 * `sites`), scope-duplicate-key (the same service by two of its names), scope-duplicate-site (an
 * around() of which nothing is left beside the other operands), scope-not-replicable. Places in *d
 * are in the text that the scope was parsed from. ERR_NO_MEMORY when the arena is too small. *out
 * is left alone on errors. Time: sites times locations, and sorting what is around. */
int plan_make(const struct plan_in *in, struct arena *arena, struct plan **out,
              struct diag *d) MUST_USE;

/* Whether every request of the same class and method has this plan, as long as application, sites
 * and scope are the same: nothing that is measured went into it. */
bool plan_is_fixed(const struct plan *p);

/* A printed plan: lines for people, or one JSON object without a line feed at its end. */
struct plan_print_in {
    const struct plan_in *in;
    const struct plan *plan;
    struct str target;
    struct str carrier;         /* how the scope came; absent: not said */
    struct str notes[2];        /* for the reader; absent: none */
    const struct str *carriers; /* names of the fields that will be set towards the service */
    size_t n_carriers;
};
void plan_print_text(const struct plan_print_in *p, struct out *o);
void plan_print_json(const struct plan_print_in *p, struct out *o);

struct str plan_form_name(enum plan_form form);       /* "otherwise", … */
struct str plan_policy_name(enum plan_policy policy); /* "first", … */
struct str plan_state_name(enum plan_site_state state);
/* Index of a site by name, or -1. */
long plan_site_find(const struct plan_sites *sites, struct str name);

/* ---- settling an otherwise (section 4, "Success of one alternative") ----------------------- */

/* How one alternative ended. */
enum plan_end {
    PLAN_END_STATUS,    /* a final status came: `status` */
    PLAN_END_REFUSED,   /* no byte of the request was sent (connect refused, site known to be down,
                         * or the peer's Cheops refused the leg itself) */
    PLAN_END_NO_ANSWER, /* bytes were sent, no status came back in time */
};

struct plan_attempt {
    enum plan_end end;
    unsigned status;      /* PLAN_END_STATUS */
    bool is_safe;         /* the method is GET, HEAD or OPTIONS */
    bool is_empty_select; /* a list that selects and whose array is empty: counts as 404 */
    bool is_last;         /* no further alternative */
    bool body_gone;       /* the request's body can not be sent again */
};

enum plan_verdict {
    PLAN_ACCEPT, /* this answer is the answer */
    PLAN_NEXT,   /* try the next alternative */
    PLAN_FAIL,   /* all failed: the last status received is the answer, else an error of ours */
    PLAN_STOP,   /* may have been run: 504 maybe-run that says which site */
};

enum plan_verdict plan_settle_otherwise(const struct plan_attempt *a);

#endif
