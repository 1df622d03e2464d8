#include "ctl/app_replication.h"
#include "op/search.h"

#include <stdio.h>

/* Types of operation without the built-in one. */
static unsigned count(const struct op_matrix *m)
{
    return m->n ? (unsigned)m->n - 1 : 0;
}

static const char *const site_names[] = {"A", "B"};

/* ---- for people */

static void put_words(struct out *o, const struct op_type *t)
{
    const struct {
        bool is_so;
        const char *word;
    } words[] = {{t->creates, "creates"},
                 {t->deletes, "deletes"},
                 {t->replaces && !t->creates && !t->deletes, "replaces"},
                 {t->overwrites, "overwrites"},
                 {t->makes && !t->creates, "makes"}};
    const char *lead = "";
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].is_so) {
            out_fmt(o, "%s%s", lead, words[i].word);
            lead = ", ";
        }
    if (!lead[0])
        OUT(o, "changes");
}

/* The names of those types that `is` chooses for a. */
static size_t put_names(struct out *o, const struct op_matrix *m, unsigned a, unsigned from,
                        bool (*is)(const struct op_matrix *m, unsigned a, unsigned b))
{
    size_t n = 0;
    for (unsigned b = from; b < count(m); b++)
        if (is(m, a, b))
            out_fmt(o, "%s%.*s", n++ ? ", " : "", STR_ARG(m->types[b].name));
    return n;
}

static bool commutes(const struct op_matrix *m, unsigned a, unsigned b)
{
    return op_commutes(m, a, b);
}

static bool is_any(const struct op_matrix *m, unsigned a,
                   bool (*is)(const struct op_matrix *m, unsigned a, unsigned b), unsigned from)
{
    for (unsigned b = from; b < count(m); b++)
        if (is(m, a, b))
            return true;
    return false;
}

static void put_operation(struct out *o, const struct app_replication *r, unsigned a)
{
    const struct op_matrix *m = &r->matrix;
    out_fmt(o, "    %-22.*s ", STR_ARG(m->types[a].name));
    put_words(o, &m->types[a]);
    if (is_any(m, a, commutes, 0)) {
        OUT(o, "; commutes with ");
        put_names(o, m, a, 0, commutes);
    }
    for (size_t i = 0; i < r->operations[a].n_done; i++)
        out_fmt(o, "%s%u", i ? ", " : "; done also on ", r->operations[a].done[i]);
    out_char(o, '\n');
}

static void put_event(struct out *o, const struct op_matrix *m, const struct op_finding *f,
                      size_t at)
{
    const struct op_event *e = &f->events[at];
    out_fmt(o, "      %zu. at %s: %.*s%s\n", at + 1, site_names[e->site],
            STR_ARG(m->types[e->type].name), e->has_heard ? ", after both have heard of all" : "");
}

static void put_finding(struct out *o, const struct op_matrix *m)
{
    struct op_finding f;
    op_search(m, &f);
    if (f.found == OP_FOUND_NOTHING) {
        out_fmt(o, "    no history of up to %d operations at two sites leaves replicas different",
                OP_SEARCH_OPERATIONS);
        if (f.is_cut)
            out_fmt(o, ", of the %d that were tried", OP_SEARCH_HISTORIES);
        out_char(o, '\n');
        return;
    }
    out_fmt(o, "    replicas differ after this history, %s:\n",
            f.is_created ? "of a resource that sites A and B hold"
                         : "of a resource that neither site A nor site B holds");
    for (size_t i = 0; i < f.n; i++)
        put_event(o, m, &f, i);
    if (f.found == OP_FOUND_SILENT)
        out_fmt(o, "      and nothing shows it: this is a fault of Cheops, please report it\n");
    else
        out_fmt(o, "      then, all heard, %s is diverged: %.*s\n", site_names[f.site],
                STR_ARG(op_why_text(f.why)));
}

void ctl_put_replication(struct out *o, const struct app_type *type)
{
    const struct op_matrix *m = &type->replication.matrix;
    if (count(m) == 0)
        return;
    for (unsigned a = 0; a < count(m); a++)
        put_operation(o, &type->replication, a);
    for (unsigned a = 0; a < count(m); a++)
        if (is_any(m, a, op_is_left_to_clocks, a)) {
            out_fmt(o, "    left to clocks: %.*s and ", STR_ARG(m->types[a].name));
            put_names(o, m, a, a, op_is_left_to_clocks);
            out_char(o, '\n');
        }
    for (unsigned a = 0; a < count(m); a++)
        if (op_only_diverges(m, a))
            out_fmt(o,
                    "    warning: two of '%.*s' at two sites leave replicas diverged for good: it "
                    "neither commutes nor overwrites, and nothing replaces or transfers the "
                    "state\n",
                    STR_ARG(m->types[a].name));
    put_finding(o, m);
}

/* ---- for programs */

static json_t *json_name(const struct op_matrix *m, unsigned a)
{
    return json_stringn(m->types[a].name.p, m->types[a].name.n);
}

static json_t *json_operation(const struct app_replication *r, unsigned a)
{
    const struct op_matrix *m = &r->matrix;
    const struct op_type *t = &m->types[a];
    json_t *with = json_array(), *done = json_array();
    for (unsigned b = 0; b < count(m); b++)
        if (op_commutes(m, a, b))
            json_array_append_new(with, json_name(m, b));
    for (size_t i = 0; i < r->operations[a].n_done; i++)
        json_array_append_new(done, json_integer(r->operations[a].done[i]));
    return json_pack("{so sb sb sb sb sb so so}", "name", json_name(m, a), "creates", t->creates,
                     "deletes", t->deletes, "replaces", t->replaces, "overwrites", t->overwrites,
                     "makes", t->makes, "commutes", with, "done", done);
}

static json_t *json_finding(const struct op_matrix *m)
{
    static const char *const found[] = {[OP_FOUND_NOTHING] = "nothing",
                                        [OP_FOUND_DIVERGED] = "diverged",
                                        [OP_FOUND_SILENT] = "silent"};
    struct op_finding f;
    op_search(m, &f);
    if (f.found == OP_FOUND_NOTHING)
        return json_pack("{ss sb}", "found", found[f.found], "cut", f.is_cut);
    json_t *events = json_array();
    for (size_t i = 0; i < f.n; i++)
        json_array_append_new(events, json_pack("{ss so sb}", "site", site_names[f.events[i].site],
                                                "operation", json_name(m, f.events[i].type),
                                                "heard", f.events[i].has_heard));
    struct str why = op_why_text(f.why);
    return json_pack("{ss sb sb so ss ss%}", "found", found[f.found], "cut", f.is_cut, "held",
                     f.is_created, "history", events, "site", site_names[f.site], "why", why.p,
                     why.n);
}

json_t *ctl_json_replication(const struct app_type *type)
{
    const struct op_matrix *m = &type->replication.matrix;
    char digest[17];
    if (count(m) == 0)
        return json_null();
    json_t *operations = json_array(), *clocks = json_array(), *diverging = json_array();
    for (unsigned a = 0; a < count(m); a++) {
        json_array_append_new(operations, json_operation(&type->replication, a));
        for (unsigned b = a; b < count(m); b++)
            if (op_is_left_to_clocks(m, a, b))
                json_array_append_new(clocks, json_pack("[oo]", json_name(m, a), json_name(m, b)));
        if (op_only_diverges(m, a))
            json_array_append_new(diverging, json_name(m, a));
    }
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)type->replication.digest);
    return json_pack("{ss so so so so}", "digest", digest, "operations", operations,
                     "left_to_clocks", clocks, "only_diverges", diverging, "search",
                     json_finding(m));
}
