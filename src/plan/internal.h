/* plan/internal.h: what the files of this ring share; no other ring includes it. */
#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H

#include "plan/plan.h"

/* A site of an around(), with the time that was measured from its centre (0: the centre). */
struct plan_near {
    uint32_t rtt_us;
    uint32_t site;
};

/* Lists the sites within an around(), the centre first, then the nearest first, sites at the same
 * distance in name order. `to` has room for every site. Returns how many. */
size_t plan_near(const struct plan_sites *sites, const struct scope_loc *around, size_t centre,
                 struct plan_near *to);

/* By time, equals by the number in `site`. */
void plan_near_sort(struct plan_near *list, size_t n);

/* The binding that the request falls under, by any name of its service; NULL: none.
 * ERR_SCOPE_DUPLICATE_KEY when two of them bind it equally well. */
int plan_find_binding(const struct plan_in *in, const struct scope_binding **out,
                      struct diag *d) MUST_USE;

/* ---- for printing (view.c) ---- */

/* Which coordinates of a leg tell it from others: those in which a leg with the same outer ones
 * differs. */
struct plan_shown {
    bool alternative, part, choice, replica, candidate;
};
struct plan_shown plan_shown_of(const struct plan *p, const struct plan_leg *leg);
/* What was measured from the resolving site to another; PLAN_RTT_UNKNOWN to itself. */
uint32_t plan_rtt_from_here(const struct plan_sites *sites, size_t site);
/* The resolving site itself is up. */
enum plan_site_state plan_state_of(const struct plan_sites *sites, size_t site);
/* Whether an around() leaves a site out; *rtt is then what was measured from its centre. */
bool plan_is_left_out(const struct plan_sites *sites, const struct scope_loc *around, size_t site,
                      uint32_t *rtt);
/* Absent when unset. */
struct str plan_wait_name(enum scope_wait wait);
struct str plan_consistency_name(enum scope_consistency consistency);

#endif
