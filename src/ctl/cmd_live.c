/* cheops sites, cheops transactions: what a running cheopsd knows, as a table or as it says it. */
#include "base/check.h"
#include "ctl/ask.h"
#include "ctl/options.h"
#include "ctl/table.h"

#include <jansson.h>
#include <stdio.h>

#define MEMORY_BYTES (64u << 20)
#define WARN_DAYS    30

struct asked {
    const char *admin;
    bool json;
};

#define ADMIN_OPTION                                                                               \
    {                                                                                              \
        "admin", CTL_TEXT, offsetof(struct asked, admin), "SOCKET",                                \
            "the admin socket of cheopsd (" CTL_SOCKET ")"                                         \
    }
#define JSON_OPTION(text)                                                                          \
    {                                                                                              \
        "json", CTL_FLAG, offsetof(struct asked, json), NULL, text                                 \
    }

/* A route whose answer has an array. */
struct live {
    const struct ctl_syntax *syntax;
    const char *path, *array;
    void (*print)(const json_t *answer, const json_t *array, struct arena *a);
};

static int print_live(const struct asked *asked, const struct live *live)
{
    struct diag d = {0};
    struct arena arena;
    struct ctl_answer answer;
    if (ctl_ask(asked->admin, live->path, &answer, &d) < 0)
        return ctl_fail(&d);
    json_t *j = json_loadb(answer.text, answer.n, 0, NULL);
    const json_t *array = json_object_get(j, live->array);
    bool is_good = answer.status == 200 && json_is_array(array);
    arena_init(&arena, NULL, 0, MEMORY_BYTES);
    if (!is_good)
        fprintf(stderr, "cheops: cheopsd answers %ld, and not with a list of %s\n", answer.status,
                live->array);
    else if (asked->json)
        fwrite(answer.text, 1, answer.n, stdout);
    else
        live->print(j, array, &arena);
    if (arena_overflowed(&arena))
        fputs("cheops: the table is too long, --json gives all\n", stderr);
    is_good = is_good && !arena_overflowed(&arena);
    arena_fini(&arena);
    json_decref(j);
    ctl_answer_fini(&answer);
    return is_good ? CTL_OK : CTL_FAILED;
}

static int run(int argc, char **argv, const struct live *live)
{
    struct asked asked = {.admin = CTL_SOCKET};
    struct ctl_args args;
    return ctl_read(live->syntax, argc, argv, &asked, &args) ? print_live(&asked, live)
                                                             : args.status;
}

/* Members as cells: absent for what is null or of another type. */
static struct str text_of(const json_t *row, const char *member)
{
    const json_t *v = json_object_get(row, member);
    return json_is_string(v) ? (struct str){json_string_value(v), json_string_length(v)} : STR_NULL;
}

static bool number_of(const json_t *row, const char *member, uint64_t *to)
{
    const json_t *v = json_object_get(row, member);
    bool is_number = json_is_integer(v) && json_integer_value(v) >= 0;
    *to = is_number ? (uint64_t)json_integer_value(v) : 0;
    return is_number;
}

static struct str span_of(const json_t *row, const char *member, struct arena *a)
{
    uint64_t ms;
    return number_of(row, member, &ms) ? ctl_print_span(a, ms) : STR_NULL;
}

/* ---- sites */

static struct str round_trip(const json_t *row, struct arena *a)
{
    uint64_t rtt, jitter;
    if (!number_of(row, "rtt_us", &rtt))
        return STR_NULL;
    struct str mean = ctl_print_round_trip(a, rtt);
    if (!number_of(row, "jitter_us", &jitter))
        return mean;
    return arena_printf(a, "%.*s ± %.*s", STR_ARG(mean), STR_ARG(ctl_print_round_trip(a, jitter)));
}

static struct str certificate(const json_t *row, struct arena *a)
{
    const json_t *c = json_object_get(row, "certificate"), *days = json_object_get(c, "days_left");
    long long left = (long long)json_integer_value(days);
    if (!json_is_integer(days))
        return STR_NULL;
    return left < 0 ? STR("has ended") : arena_printf(a, "%lld days left", left);
}

static struct str list_number(const json_t *row, struct arena *a)
{
    uint64_t number;
    return number_of(row, "crl", &number) ? arena_printf(a, "%llu", (unsigned long long)number)
                                          : STR_NULL;
}

/* What somebody should do something about, in sentences. */
static void print_remarks(const json_t *row)
{
    char memory[1024];
    struct out o;
    struct str site = text_of(row, "site"), error = text_of(row, "error");
    const json_t *c = json_object_get(row, "certificate"), *days = json_object_get(c, "days_left");
    long long left = (long long)json_integer_value(days);
    out_init(&o, memory, sizeof memory);
    if (error.n) {
        out_visible(&o, error, 250);
        printf("%.*s: %.*s\n", STR_ARG(site), STR_ARG(out_get(&o)));
    }
    if (json_is_integer(days) && left < WARN_DAYS)
        printf("%.*s: its certificate %s %.*s; `cheops ca issue %.*s` renews it\n", STR_ARG(site),
               left < 0 ? "has ended on" : "ends on", STR_ARG(text_of(c, "not_after")),
               STR_ARG(site));
    if (text_of(row, "crl_error").n) {
        out_init(&o, memory, sizeof memory);
        out_visible(&o, text_of(row, "crl_error"), 250);
        printf("%.*s: its list of revoked certificates is %s: %.*s\n", STR_ARG(site),
               json_is_true(json_object_get(row, "self")) ? "not kept in a file" : "refused",
               STR_ARG(out_get(&o)));
    }
    if (str_eq(text_of(row, "description"), STR("differs")))
        printf("%.*s: its description of the application is not the one here\n", STR_ARG(site));
}

static void print_sites(const json_t *answer, const json_t *sites, struct arena *a)
{
    static const char *const titles[] = {"SITE",       "STATE",       "SINCE", "HEARD",
                                         "ROUND TRIP", "CERTIFICATE", "CRL",   "DESCRIPTION"};
    struct ctl_table t;
    json_t *row;
    size_t i;
    (void)answer;
    ctl_table_init(&t, a, titles, COUNT_OF(titles));
    json_array_foreach(sites, i, row)
    {
        bool is_self = json_is_true(json_object_get(row, "self"));
        struct str cells[] = {
            text_of(row, "site"),        is_self ? STR("here") : text_of(row, "state"),
            span_of(row, "since_ms", a), span_of(row, "heard_ms", a),
            round_trip(row, a),          certificate(row, a),
            list_number(row, a),         text_of(row, "description"),
        };
        ctl_table_add(&t, cells);
    }
    ctl_table_print(&t, stdout);
    json_array_foreach(sites, i, row) print_remarks(row);
}

int ctl_cmd_sites(int argc, char **argv)
{
    static const struct ctl_option options[] = {ADMIN_OPTION,
                                                JSON_OPTION("what cheopsd says, one line of JSON")};
    static const struct ctl_syntax syntax = {
        "sites",
        "",
        0,
        0,
        options,
        COUNT_OF(options),
        "Shows the sites as a running cheopsd sees them: their states and since when, how long\n"
        "ago they were heard, round trips, how long their certificates are valid, the\n"
        "numbers of their lists of revoked certificates, and whether their description of the\n"
        "application is the same.\n"};
    static const struct live live = {&syntax, "/v1/sites", "sites", print_sites};
    return run(argc, argv, &live);
}

/* ---- transactions */

static void print_transactions(const json_t *answer, const json_t *transactions, struct arena *a)
{
    static const char *const titles[] = {"TRANSACTION", "AGE",  "STATE",  "DEADLINE", "CLIENT",
                                         "SERVICE",     "SITE", "METHOD", "PATH",     "SCOPE"};
    struct ctl_table t;
    json_t *row;
    size_t i;
    uint64_t live, silent;
    ctl_table_init(&t, a, titles, COUNT_OF(titles));
    json_array_foreach(transactions, i, row)
    {
        struct str cells[] = {
            text_of(row, "id"),     span_of(row, "age_ms", a),
            text_of(row, "state"),  span_of(row, "deadline_ms", a),
            text_of(row, "client"), text_of(row, "service"),
            text_of(row, "site"),   text_of(row, "method"),
            text_of(row, "path"),   text_of(row, "scope"),
        };
        ctl_table_add(&t, cells);
    }
    ctl_table_print(&t, stdout);
    if (number_of(answer, "live", &live) && live > json_array_size(transactions))
        printf("%llu are under way, %zu of them are shown.\n", (unsigned long long)live,
               json_array_size(transactions));
    if (number_of(answer, "silent_workers", &silent) && silent)
        printf("%llu worker%s did not answer; what they have is not shown.\n",
               (unsigned long long)silent, silent == 1 ? "" : "s");
}

int ctl_cmd_transactions(int argc, char **argv)
{
    static const struct ctl_option options[] = {ADMIN_OPTION,
                                                JSON_OPTION("what cheopsd says, one line of JSON")};
    static const struct ctl_syntax syntax = {
        "transactions",
        "",
        0,
        0,
        options,
        COUNT_OF(options),
        "Shows the requests that a running cheopsd has under way: what each waits for, and how\n"
        "long it still may.\n"};
    static const struct live live = {&syntax, "/v1/transactions", "transactions",
                                     print_transactions};
    return run(argc, argv, &live);
}
