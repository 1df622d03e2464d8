/* A commented configuration, written from the tables that read it (`cheops init`).
 *
 * A line of a comment begins with "# ", a key that is left out with '#' alone: removing that sign
 * sets it. What stands under a key that is left out is left out too.
 */
#include "cfg/site.h"

#define WIDTH  100
#define INDENT 2

struct writer {
    struct out *o;
    struct str site;
};

static void put_blanks(struct out *o, unsigned n)
{
    while (n--)
        out_char(o, ' ');
}

/* A comment, broken at blanks. */
static void put_comment(struct out *o, unsigned indent, struct str text)
{
    unsigned column = 0;
    struct str word;
    for (bool is_first = true; str_split(&text, ' ', &word); is_first = false) {
        if (!is_first && column + 1 + word.n <= WIDTH) {
            out_char(o, ' ');
            column++;
        } else {
            out_str(o, is_first ? STR("") : STR("\n"));
            put_blanks(o, indent);
            OUT(o, "# ");
            column = indent + 2;
        }
        out_str(o, word);
        column += (unsigned)word.n;
    }
    out_char(o, '\n');
}

static bool is_section(const struct yaml_key *k)
{
    return k->table != NULL;
}

/* What the key is, what it takes, its default. */
static void put_description(struct writer *w, const struct yaml_key *k, unsigned indent)
{
    char memory[600];
    struct out text;
    out_init(&text, memory, sizeof memory);
    out_fmt(&text, "%s", k->text);
    if (!is_section(k)) {
        OUT(&text, " (");
        yaml_put_accepted(k, &text);
        if (k->value)
            out_fmt(&text, "; default %s", k->value);
        OUT(&text, ")");
    }
    CHECK(!text.overflowed);
    put_comment(w->o, indent, out_get(&text));
}

static void put_table(struct writer *w, const struct yaml_table *table, unsigned indent,
                      const char *first, bool is_active);

/* Further entries, a line each. */
static void put_more(struct writer *w, const char *more, unsigned indent, bool is_active)
{
    if (!more)
        return;
    put_blanks(w->o, indent);
    out_fmt(w->o, "%s%s\n", is_active ? "" : "#", more);
}

static void put_section(struct writer *w, const struct yaml_key *k, unsigned indent, bool is_active)
{
    unsigned inner = indent + INDENT;
    OUT(w->o, ":\n");
    if (k->type == YAML_READ_LIST) {
        put_table(w, k->table, inner, "- ", is_active);
    } else if (k->type == YAML_READ_MAP) {
        put_blanks(w->o, inner);
        out_fmt(w->o, "%s%s:\n", is_active ? "" : "#", k->example);
        put_table(w, k->table, inner + INDENT, "", is_active);
    } else {
        put_table(w, k->table, inner, "", is_active);
    }
    put_more(w, k->more, inner, is_active);
}

static void put_key(struct writer *w, const struct yaml_key *k, unsigned indent, const char *lead,
                    bool is_active)
{
    bool is_site = k == &cfg_site_table.keys[0];
    is_active = is_active && (k->required || k->is_active);
    put_description(w, k, indent);
    put_blanks(w->o, indent - (unsigned)strlen(lead));
    out_fmt(w->o, "%s%s%s", is_active ? "" : "#", lead, k->name);
    if (is_section(k))
        put_section(w, k, indent, is_active);
    else if (is_site)
        out_fmt(w->o, ": %.*s\n", STR_ARG(w->site));
    else
        out_fmt(w->o, ": %s\n", k->value ? k->value : k->example);
}

/* The first key of an entry of a list has a sign in front of it. */
static void put_table(struct writer *w, const struct yaml_table *table, unsigned indent,
                      const char *first, bool is_active)
{
    indent += (unsigned)strlen(first);
    for (size_t i = 0; i < table->n; i++) {
        if (table == &cfg_site_table)
            out_char(w->o, '\n');
        put_key(w, &table->keys[i], indent, i == 0 ? first : "", is_active);
    }
}

void cfg_write_example(struct out *o, struct str site)
{
    struct writer w = {o, site};
    OUT(o, "# The configuration of one site of Cheops, see cheops.yaml(5).\n"
           "# A key behind a '#' is left out: remove the '#' to set it.\n"
           "# Check this file with: cheopsd --check-config FILE\n");
    put_table(&w, &cfg_site_table, 0, "", true);
}
