/* The lists of keys in cheops.yaml(5) and docs/app-description.md are those of the tables that read
 * the files: each stands between a line "keys: …" and a line "end".
 *
 * CHEOPS_GOLDEN_WRITE=1 writes them anew; read the difference before it is committed.
 */
#include "unit.h"
#include "cfg/description.h"
#include "cfg/site.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_TEXT   (256 * 1024)
#define MAX_TABLES 32

struct page {
    const char *path;
    const struct yaml_table *top;
    const char *before, *after; /* around the words of a marker */
    void (*put)(const struct yaml_table *table, struct out *o);
};

static void put_default(const struct yaml_key *k, const char *lead, struct out *o)
{
    if (k->required)
        out_fmt(o, "%srequired", lead);
    else if (k->value)
        out_fmt(o, "%s%s", lead, k->value);
}

static void put_escaped(struct out *o, struct str s, const char *special)
{
    for (size_t i = 0; i < s.n; i++) {
        if (strchr(special, s.p[i]))
            out_char(o, '\\');
        out_char(o, s.p[i]);
    }
}

static struct str accepted(const struct yaml_key *k)
{
    static char memory[400];
    struct out o;
    out_init(&o, memory, sizeof memory);
    yaml_put_accepted(k, &o);
    assert_false(o.overflowed);
    return out_get(&o);
}

/* In the notation of scdoc(5). */
static void put_manual(const struct yaml_table *table, struct out *o)
{
    static const char special[] = "_*\\`#~<>";
    for (size_t i = 0; i < table->n; i++) {
        const struct yaml_key *k = &table->keys[i];
        OUT(o, "\n*");
        put_escaped(o, str_of(k->name), special);
        OUT(o, "*: ");
        put_escaped(o, accepted(k), special);
        if (k->required)
            OUT(o, ", required");
        else if (k->value)
            out_fmt(o, ", default %s", k->value);
        OUT(o, "\n\t");
        put_escaped(o, str_of(k->text), special);
        out_char(o, '\n');
    }
    out_char(o, '\n');
}

static void put_markdown(const struct yaml_table *table, struct out *o)
{
    OUT(o, "\n| key | takes | default | what it is |\n|---|---|---|---|\n");
    for (size_t i = 0; i < table->n; i++) {
        const struct yaml_key *k = &table->keys[i];
        out_fmt(o, "| `%s` | ", k->name);
        put_escaped(o, accepted(k), "|\\*_");
        OUT(o, " | ");
        put_default(k, "", o);
        OUT(o, " | ");
        put_escaped(o, str_of(k->text), "|\\*_");
        OUT(o, " |\n");
    }
    out_char(o, '\n');
}

static const struct page pages[] = {
    {SOURCE_DIR "/docs/man/cheops.yaml.5.scd", &cfg_site_table, "; ", "", put_manual},
    {SOURCE_DIR "/docs/app-description.md", &description_table, "<!-- ", " -->", put_markdown},
};

static size_t collect(const struct yaml_table *t, const struct yaml_table **all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (all[i] == t)
            return n;
    assert_true(n < MAX_TABLES);
    all[n++] = t;
    for (size_t i = 0; i < t->n; i++)
        if (t->keys[i].table)
            n = collect(t->keys[i].table, all, n);
    return n;
}

static char *read_file(const char *path)
{
    char *text = malloc(MAX_TEXT);
    FILE *file = fopen(path, "r");
    if (!file || !text)
        fail_msg("%s cannot be read", path);
    text[fread(text, 1, MAX_TEXT - 1, file)] = 0;
    fclose(file);
    return text;
}

/* Copies the page; what stands between the marks of a table is written anew. */
static void put_page(const struct page *p, struct str text, bool *seen, struct out *o)
{
    const struct yaml_table *tables[MAX_TABLES];
    size_t n = collect(p->top, tables, 0);
    struct str line;
    bool copies = true;
    while (str_split(&text, '\n', &line) && (text.p || line.n)) {
        char mark[200];
        snprintf(mark, sizeof mark, "%send%s", p->before, p->after);
        copies = copies || str_eq(line, str_of(mark));
        if (copies)
            out_fmt(o, "%.*s\n", STR_ARG(line));
        for (size_t i = 0; i < n; i++) {
            snprintf(mark, sizeof mark, "%skeys: %s%s", p->before, tables[i]->name, p->after);
            if (!str_eq(line, str_of(mark)))
                continue;
            copies = false;
            seen[i] = true;
            p->put(tables[i], o);
        }
    }
    assert_true(copies);
    for (size_t i = 0; i < n; i++)
        if (!seen[i])
            fail_msg("%s has no list of the keys of a %s", p->path, tables[i]->name);
}

static void test_pages(void **state)
{
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        bool seen[MAX_TABLES] = {false};
        char *want = read_file(pages[i].path), *got = malloc(MAX_TEXT);
        struct out o;
        assert_non_null(got);
        out_init(&o, got, MAX_TEXT - 1);
        put_page(&pages[i], str_of(want), seen, &o);
        assert_false(o.overflowed);
        got[o.n] = 0;
        if (getenv("CHEOPS_GOLDEN_WRITE")) {
            FILE *file = fopen(pages[i].path, "w");
            assert_non_null(file);
            assert_int_equal(fwrite(got, 1, o.n, file), o.n);
            fclose(file);
        } else {
            assert_string_equal(got, want);
        }
        free(got);
        free(want);
    }
}

/* Every key says what it is; a default, a choice and a number say what they must. */
static void test_tables_are_whole(void **state)
{
    for (size_t p = 0; p < COUNT_OF(pages); p++) {
        const struct yaml_table *tables[MAX_TABLES];
        size_t n = collect(pages[p].top, tables, 0);
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < tables[i]->n; k++) {
                const struct yaml_key *key = &tables[i]->keys[k];
                assert_non_null(key->name);
                assert_non_null(key->text);
                assert_true(accepted(key).n > 0);
                assert_false(key->required && key->value);
                assert_true(key->type != YAML_COUNT || key->most > key->least);
            }
    }
}

/* Kinds stand in choices in the order of their enum. */
static void test_kinds(void **state)
{
    for (size_t p = 0; p < COUNT_OF(pages); p++) {
        const struct yaml_table *tables[MAX_TABLES];
        size_t n = collect(pages[p].top, tables, 0), found = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < tables[i]->n; k++) {
                const char *choices = tables[i]->keys[k].choices;
                struct str rest = str_of(choices), one;
                if (!choices || !str_starts(rest, STR("create|read|")))
                    continue;
                found++;
                for (unsigned kind = 0; kind < APP_KINDS; kind++) {
                    assert_true(str_split(&rest, '|', &one));
                    assert_true(str_eq(one, app_kind_name((enum app_kind)kind)));
                }
                assert_null(rest.p);
            }
        assert_int_equal(found, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pages),
                                       cmocka_unit_test(test_tables_are_whole),
                                       cmocka_unit_test(test_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
