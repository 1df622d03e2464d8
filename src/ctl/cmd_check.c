/* cheops check: a doctor for one site: everything that is asked, then the table of checks. */
#include "base/check.h"
#include "ctl/ask.h"
#include "ctl/check.h"
#include "ctl/options.h"
#include "ctl/table.h"

#include <stdarg.h>
#include <stdio.h>

#define MEMORY_BYTES (64u << 20)
#define FOUND_CHARS  240

struct asked {
    const char *config;
    bool json;
};

static const struct check_of {
    const char *name;
    void (*run)(struct check *c);
    bool wants_config; /* it has nothing to look at without one */
} checks[] = {
    {"configuration", check_configuration, false},
    {"keys", check_keys, true},
    {"certificates", check_certificates, true},
    {"carriers", check_carriers, true},
    {"daemon", check_daemon, true},
    {"limits", check_limits, true},
    {"services", check_services, true},
    {"sites", check_sites, true},
    {"descriptions", check_descriptions, true},
    {"clocks", check_clocks, true},
};

static const char *const states[CHECK_STATES] = {
    [CHECK_OK] = "ok",
    [CHECK_WARNING] = "warning",
    [CHECK_FAULT] = "fault",
    [CHECK_UNKNOWN] = "unknown",
};

/* ---- rows */

void check_add(struct check *c, enum check_state state, struct str subject, struct str todo,
               const char *format, ...)
{
    struct check_row *row = arena_new(c->arena, struct check_row);
    char found[1200];
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(found, sizeof found, format, ap);
    va_end(ap);
    row->check = c->name;
    row->state = state;
    row->subject = arena_str(c->arena, subject);
    row->todo = arena_str(c->arena, todo.n ? todo : STR_NULL);
    row->found = arena_str(c->arena, n < 0 ? STR_NULL : str_of(found));
    if (arena_overflowed(c->arena))
        return; /* what the arena gives then is not kept */
    c->counts[state]++;
    if (c->last)
        c->last->next = row;
    else
        c->first = row;
    c->last = row;
}

/* ---- what the checks look at */

/* One question to the daemon. After one that had no answer there are no others. */
static json_t *ask_daemon(struct check *c, const char *socket, const char *path, const char *member)
{
    struct ctl_answer answer;
    json_t *j = NULL;
    if (c->daemon.code || ctl_ask_within(socket, path, CHECK_DAEMON_MS, &answer, &c->daemon) < 0)
        return NULL;
    if (answer.status == 200 && answer.is_json)
        j = json_loadb(answer.text, answer.n, 0, NULL);
    if (!json_object_get(j, member)) {
        diag_set(&c->daemon, ERR_INVALID, "cheopsd answers %ld to %s, and not with '%s'",
                 answer.status, path, member);
        diag_hint(&c->daemon, "is it of the same version as this command?");
        json_decref(j);
        j = NULL;
    }
    ctl_answer_fini(&answer);
    return j;
}

static void ask_metrics(struct check *c, const char *socket)
{
    struct ctl_answer answer;
    if (c->daemon.code ||
        ctl_ask_within(socket, "/metrics", CHECK_DAEMON_MS, &answer, &c->daemon) < 0)
        return;
    struct str text = arena_str(c->arena, (struct str){answer.text, answer.n});
    if (answer.status != 200 || !text.p || scrape_parse(text, c->arena, &c->metrics) < 0)
        c->metrics = (struct scrape){0};
    ctl_answer_fini(&answer);
}

static void gather(struct check *c)
{
    if (cfg_read(c->file, &c->cfg, &c->config) < 0) {
        c->cfg = NULL;
        return;
    }
    struct str socket = arena_str(c->arena, c->cfg->admin_socket);
    if (socket.p) {
        c->configuration = ask_daemon(c, socket.p, "/v1/configuration", "digests");
        c->sites = ask_daemon(c, socket.p, "/v1/sites", "sites");
        ask_metrics(c, socket.p);
    }
    /* A running daemon knows the other sites; a hello in its name would be news to them. */
    int rc = probe_all(c->cfg, !c->sites && c->cfg->peers.is_on, c->arena, &c->probes, &c->probing);
    c->probing.code = rc;
}

static void run_checks(struct check *c)
{
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        c->name = checks[i].name;
        if (c->cfg || !checks[i].wants_config)
            checks[i].run(c);
        else
            check_add(c, CHECK_UNKNOWN, STR_NULL, STR_NULL, "the configuration does not load");
    }
}

/* ---- printing */

static int print_text(const struct check *c)
{
    static const char *const titles[] = {"CHECK", "OF", "STATE", "FOUND", "TO DO"};
    struct ctl_table t;
    size_t n = 0;
    ctl_table_init(&t, c->arena, titles, COUNT_OF(titles));
    t.cell_chars = FOUND_CHARS;
    for (const struct check_row *row = c->first; row; row = row->next, n++) {
        struct str cells[] = {str_of(row->check), row->subject, str_of(states[row->state]),
                              row->found, row->todo};
        ctl_table_add(&t, cells);
    }
    ctl_table_print(&t, stdout);
    printf("%zu rows: %zu ok, %zu warning%s, %zu fault%s, %zu unknown\n", n, c->counts[CHECK_OK],
           c->counts[CHECK_WARNING], c->counts[CHECK_WARNING] == 1 ? "" : "s",
           c->counts[CHECK_FAULT], c->counts[CHECK_FAULT] == 1 ? "" : "s",
           c->counts[CHECK_UNKNOWN]);
    return 0;
}

static json_t *json_text(struct str s)
{
    return s.p ? json_stringn(s.p, s.n) : json_null();
}

static int print_json(const struct check *c)
{
    json_t *rows = json_array(), *counts = json_object();
    for (const struct check_row *row = c->first; row; row = row->next)
        json_array_append_new(rows, json_pack("{ss so ss so so}", "check", row->check, "of",
                                              json_text(row->subject), "state", states[row->state],
                                              "found", json_text(row->found), "todo",
                                              json_text(row->todo)));
    for (size_t i = 0; i < CHECK_STATES; i++)
        json_object_set_new(counts, states[i], json_integer((json_int_t)c->counts[i]));
    json_t *all =
        json_pack("{sb so so}", "ok", c->counts[CHECK_FAULT] == 0, "counts", counts, "rows", rows);
    int rc = all ? json_dumpf(all, stdout, JSON_COMPACT) : -1;
    json_decref(all);
    putchar('\n');
    return rc;
}

static int check(const struct asked *asked)
{
    struct arena arena;
    struct check c = {.arena = &arena, .file = asked->config, .now_s = rt_wall_us() / 1000000};
    arena_init(&arena, NULL, 0, MEMORY_BYTES);
    gather(&c);
    run_checks(&c);
    int rc = asked->json ? print_json(&c) : print_text(&c);
    bool is_good = rc == 0 && c.counts[CHECK_FAULT] == 0;
    if (rc < 0 || arena_overflowed(&arena)) {
        fputs("cheops: no memory for the whole table\n", stderr);
        is_good = false;
    }
    json_decref(c.configuration);
    json_decref(c.sites);
    cfg_unref(&c.cfg);
    arena_fini(&arena);
    return is_good ? CTL_OK : CTL_FAILED;
}

int ctl_cmd_check(int argc, char **argv)
{
    static const struct ctl_option options[] = {
        {"config", CTL_TEXT, offsetof(struct asked, config), "FILE",
         "the site's configuration (" CTL_CONFIG ")"},
        {"json", CTL_FLAG, offsetof(struct asked, json), NULL, "the table as one line of JSON"},
    };
    static const struct ctl_syntax syntax = {
        "check",
        "",
        0,
        0,
        options,
        COUNT_OF(options),
        "Looks at everything that a site needs, and says what to do: the configuration, keys,\n"
        "certificates, carriers of a scope, the daemon and whether it runs with what the files\n"
        "have, its limits, services, other sites, their descriptions, clocks. Services get a\n"
        "GET / each; other sites a hello, when no cheopsd runs here that knows them. All are\n"
        "asked at once: what is dead costs some seconds.\n"
        "Exit status: 0 no fault, 1 a fault, 2 the command line is wrong.\n"};
    struct asked asked = {.config = CTL_CONFIG};
    struct ctl_args args;
    return ctl_read(&syntax, argc, argv, &asked, &args) ? check(&asked) : args.status;
}
