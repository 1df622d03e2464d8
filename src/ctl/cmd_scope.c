/* cheops scope check: the language's parser and checks on the command line. */
#include "base/check.h"
#include "ctl/options.h"
#include "scope/scope.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_NAMES_BYTES   (1024 * 1024)
#define MAX_MESSAGE_BYTES (8 * 1024)

struct check {
    struct scope_names names;
    bool is_json;
};

/* Cuts "a,b" into names that point into it. */
static const struct str *split_names(struct str list, struct arena *arena, size_t *n)
{
    size_t most = 1;
    for (size_t i = 0; i < list.n; i++)
        most += list.p[i] == ',';
    struct str *names = arena_alloc(arena, most * sizeof *names), piece;
    *n = 0;
    if (arena_overflowed(arena))
        return NULL;
    while (str_split(&list, ',', &piece)) {
        piece = str_trim(piece);
        if (piece.n)
            names[(*n)++] = piece;
    }
    return names;
}

/* Parses and checks; the canonical form goes to `form`. Returns 0 or a code with *d set. */
static int check(const struct check *c, struct str text, struct out *form, struct diag *d)
{
    struct arena arena;
    struct scope *s;
    arena_init(&arena, NULL, 0, SCOPE_MEMORY);
    int rc = scope_parse(text, &arena, &s, d);
    if (rc == 0)
        rc = scope_check_names(s, &c->names, d);
    if (rc == 0)
        scope_print(s, form);
    arena_fini(&arena);
    return rc;
}

static void put_json(struct out *o, int rc, struct str form, const struct diag *d)
{
    if (rc == 0) {
        OUT(o, "{\"ok\":true,\"canonical\":");
        out_json(o, form);
    } else {
        OUT(o, "{\"ok\":false,\"code\":");
        out_json(o, str_of(err_name(rc)));
        OUT(o, ",\"offset\":");
        out_u64(o, d->offset);
        OUT(o, ",\"length\":");
        out_u64(o, d->length);
        OUT(o, ",\"message\":");
        out_json(o, str_of(d->message));
        OUT(o, ",\"hint\":");
        out_json(o, str_of(d->hint));
    }
    OUT(o, "}\n");
}

/* One line; a canonical form begins with '{', this does not. */
static void put_line(struct out *o, int rc, struct str form, const struct diag *d)
{
    if (rc == 0) {
        out_str(o, form);
    } else {
        out_fmt(o, "error: %s at %zu: %s", err_name(rc), d->offset, d->message);
        if (d->hint[0])
            out_fmt(o, " (%s)", d->hint);
    }
    out_char(o, '\n');
}

/* For a person: the place is drawn. */
static void put_drawing(struct out *o, int rc, struct str text, const struct diag *d)
{
    out_fmt(o, "cheops: %s at byte %zu: %s\n", err_name(rc), d->offset, d->message);
    diag_caret(d, text, o);
    out_char(o, '\n');
    if (d->hint[0])
        out_fmt(o, "hint: %s\n", d->hint);
}

static int answer(const struct check *c, struct str text, bool is_line)
{
    /* A form is at most SCOPE_MAX_BYTES long, six times that as a JSON string. */
    char form_memory[SCOPE_MAX_BYTES], memory[6 * SCOPE_MAX_BYTES + MAX_MESSAGE_BYTES];
    struct out form, o;
    struct diag d = {0};
    out_init(&form, form_memory, sizeof form_memory);
    out_init(&o, memory, sizeof memory);
    int rc = check(c, text, &form, &d);
    if (c->is_json)
        put_json(&o, rc, out_get(&form), &d);
    else if (rc == 0 || is_line)
        put_line(&o, rc, out_get(&form), &d);
    else
        put_drawing(&o, rc, text, &d);
    fwrite(o.p, 1, o.n, rc < 0 && !c->is_json && !is_line ? stderr : stdout);
    return rc == 0 ? CTL_OK : CTL_FAILED;
}

/* Each answer is flushed, so that a program may ask one by one. */
static int answer_lines(const struct check *c)
{
    char *line = NULL;
    size_t size = 0;
    int status = CTL_OK;
    for (ssize_t n; (n = getline(&line, &size, stdin)) >= 0;) {
        if (n && line[n - 1] == '\n')
            n--;
        if (answer(c, (struct str){line, (size_t)n}, true) != CTL_OK)
            status = CTL_FAILED;
        fflush(stdout);
    }
    if (ferror(stdin)) {
        perror("cheops: cannot read standard input");
        status = CTL_FAILED;
    }
    free(line);
    return status;
}

struct asked {
    bool is_json;
    const char *services, *sites;
};

static const struct ctl_option options[] = {
    {"json", CTL_FLAG, offsetof(struct asked, is_json), NULL, "the answer as one line of JSON", 0,
     0},
    {"services", CTL_TEXT, offsetof(struct asked, services), "LIST",
     "refuse keys that are not in this list (services, resource types)", 0, 0},
    {"sites", CTL_TEXT, offsetof(struct asked, sites), "LIST",
     "refuse sites that are not in this list", 0, 0},
};

static const struct ctl_syntax syntax = {
    "scope check",
    "EXPRESSION",
    1,
    1,
    options,
    COUNT_OF(options),
    "Prints the canonical form of a scope, or what is wrong with it. EXPRESSION '-' reads one\n"
    "expression a line from standard input and answers each with a line. A LIST is names with\n"
    "commas between them.\n"
    "Exit status: 0 all are scopes, 1 one is not, 2 the command line is wrong.\n",
};

/* A list that is given and empty is a list: it refuses every name. */
static int check_asked(const struct asked *asked, struct str text, struct arena *arena)
{
    struct check c = {.is_json = asked->is_json};
    if (asked->services)
        c.names.services = split_names(str_of(asked->services), arena, &c.names.n_services);
    if (asked->sites)
        c.names.sites = split_names(str_of(asked->sites), arena, &c.names.n_sites);
    if (arena_overflowed(arena)) {
        fputs("cheops: the lists of names are too long\n", stderr);
        return CTL_FAILED;
    }
    return str_eq(text, STR("-")) ? answer_lines(&c) : answer(&c, text, false);
}

static int cmd_check(int argc, char **argv)
{
    struct asked asked = {0};
    struct ctl_args args;
    struct arena arena;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    arena_init(&arena, NULL, 0, MAX_NAMES_BYTES);
    int status = check_asked(&asked, str_of(args.rest[0]), &arena);
    arena_fini(&arena);
    return status;
}

int ctl_cmd_scope(int argc, char **argv)
{
    static const struct ctl_command commands[] = {
        {"check", cmd_check, "check a scope and print its canonical form"},
    };
    return ctl_dispatch("cheops scope", commands, COUNT_OF(commands), argc, argv);
}
