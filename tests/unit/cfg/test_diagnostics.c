/* Every error of configurations and descriptions as an operator sees it, in tests/golden/cfg/.
 *
 * A file is a table of cases. Lines that begin with '>' are a file to be read, with \t, \r, \\ and
 * \xHH for what a line cannot show; those that begin with '|' are what must be said of it. Lines
 * that begin with '<' stand in front of each file that follows. CHEOPS_GOLDEN_WRITE=1 writes what
 * is said anew; read the difference before it is committed.
 */
#include "unit.h"
#include "cfg/cfg.h"
#include "certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_GOLDEN (256 * 1024)

struct table {
    const char *name;                                             /* of the golden file */
    const char *file;                                             /* that the cases are */
    int (*read)(const char *path, struct out *o, struct diag *d); /* may write, when it is valid */
};

static int read_description(const char *path, struct out *o, struct diag *d)
{
    struct arena arena;
    struct app *app;
    arena_init(&arena, NULL, 0, 32u << 20);
    int rc = cfg_read_app(path, &arena, &app, d);
    arena_fini(&arena);
    return rc;
}

static int read_configuration(const char *path, struct out *o, struct diag *d)
{
    struct cfg *cfg;
    int rc = cfg_read(path, &cfg, d);
    assert_int_equal(cfg != NULL, rc == 0);
    for (size_t i = 0; rc == 0 && i < cfg->n_warnings; i++)
        out_fmt(o, "warning: %.*s\n", STR_ARG(cfg->warnings[i]));
    cfg_unref(&cfg);
    return rc;
}

static const struct table tables[] = {{"description.txt", "app.yaml", read_description},
                                      {"config.txt", "cheops.yaml", read_configuration}};

static char *read_file(const char *path)
{
    char *text = malloc(MAX_GOLDEN);
    FILE *file = fopen(path, "r");
    if (!file || !text)
        fail_msg("%s cannot be read", path);
    text[fread(text, 1, MAX_GOLDEN - 1, file)] = 0;
    fclose(file);
    return text;
}

static void write_file(const char *path, struct str text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
    fclose(file);
}

static char *golden_path(const struct table *t)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/cfg/%s", GOLDEN_DIR, t->name);
    return path;
}

/* A line of a case with its escapes undone. */
static void put_input(struct out *o, struct str line)
{
    for (size_t i = 0; i < line.n; i++) {
        uint64_t byte;
        struct str rest = str_from(line, i);
        if (str_starts(rest, STR("\\x")) && str_hex(str_sub(rest, 2, 2), 255, &byte) == 0) {
            out_char(o, (char)byte);
            i += 3;
        } else if (rest.p[0] == '\\' && rest.n > 1) {
            out_char(o, rest.p[1] == 't' ? '\t' : rest.p[1] == 'r' ? '\r' : rest.p[1]);
            i++;
        } else {
            out_char(o, line.p[i]);
        }
    }
    out_char(o, '\n');
}

static void put_answer(const struct table *t, struct str input, struct out *o)
{
    struct diag d = {0};
    write_file(t->file, input);
    int rc = t->read(t->file, o, &d);
    assert_int_equal(rc, d.code);
    if (rc < 0)
        cfg_report(&d, o);
    else
        OUT(o, "valid\n");
    if (rc < 0)
        assert_int_equal(rc, ERR_CONFIG);
}

static char kind_of(struct str line)
{
    return line.n ? line.p[0] : 0;
}

static void put_marked(struct out *o, struct str text)
{
    struct str line;
    while (str_split(&text, '\n', &line) && (text.p || line.n))
        out_fmt(o, "|%s%.*s\n", line.n ? " " : "", STR_ARG(line));
}

/* Writes the table anew, with what is said now. */
static void put_table(const struct table *t, struct str golden, struct out *o)
{
    static char before_memory[8192], input_memory[65536], answer_memory[16384];
    struct out before, input, answer;
    struct str line;
    char last = 0;
    out_init(&before, before_memory, sizeof before_memory);
    out_init(&input, input_memory, sizeof input_memory);
    for (; str_split(&golden, '\n', &line) && (golden.p || line.n); last = kind_of(line)) {
        char kind = kind_of(line);
        if (kind == '|')
            continue;
        out_str(o, line);
        out_char(o, '\n');
        if (kind == '<') {
            before.n = last == '<' ? before.n : 0;
            put_input(&before, str_from(line, 2));
        }
        if (kind != '>')
            continue;
        if (last != '>') {
            input.n = 0;
            out_str(&input, out_get(&before));
        }
        put_input(&input, str_from(line, 2));
        if (kind_of(golden) == '>')
            continue;
        out_init(&answer, answer_memory, sizeof answer_memory);
        put_answer(t, out_get(&input), &answer);
        put_marked(o, out_get(&answer));
        assert_false(input.overflowed || before.overflowed || answer.overflowed);
    }
}

static void test_golden(void **state)
{
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        char *want = read_file(golden_path(&tables[i])), *got = malloc(MAX_GOLDEN);
        struct out o;
        assert_non_null(got);
        out_init(&o, got, MAX_GOLDEN - 1);
        put_table(&tables[i], str_of(want), &o);
        assert_false(o.overflowed);
        got[o.n] = 0;
        if (getenv("CHEOPS_GOLDEN_WRITE"))
            write_file(golden_path(&tables[i]), out_get(&o));
        else
            assert_string_equal(got, want);
        free(got);
        free(want);
    }
}

/* Writes what configurations refer to: an application, a description that is wrong, a certificate
 * with its key, and a key that others can read. */
static void write_files(void)
{
    struct certs_ca ca;
    char *shop = read_file(GOLDEN_DIR "/cfg/shop.yaml");
    write_file("shop.yaml", str_of(shop));
    write_file("wrong.yaml", STR("application: shop\nservice: {}\n"));
    free(shop);
    certs_ca_init(&ca, ".", "ca");
    certs_issue(&ca, "site", "DNS:localhost");
    certs_issue(&ca, "open", "DNS:localhost");
    certs_ca_fini(&ca);
    assert_int_equal(chmod("site.key", 0600), 0);
    assert_int_equal(chmod("open.key", 0644), 0);
}

/* The cases are read in a folder of their own. */
static int enter_folder(void **state)
{
    static char folder[] = "/tmp/cheops-test-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) < 0)
        return -1;
    *state = folder;
    write_files();
    return 0;
}

static int leave_folder(void **state)
{
    static const char *const files[] = {"app.yaml",   "cheops.yaml", "shop.yaml",
                                        "wrong.yaml", "ca.pem",      "site.pem",
                                        "site.key",   "open.pem",    "open.key"};
    for (size_t i = 0; i < COUNT_OF(files); i++)
        unlink(files[i]);
    return chdir("/") < 0 ? -1 : rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
