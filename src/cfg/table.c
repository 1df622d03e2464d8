#include "cfg/table.h"

#define ACCEPTED_BYTES 300

/* ---- what is accepted */

static const char *article(const char *noun)
{
    return strchr("aeiou", noun[0]) ? "an" : "a";
}

struct unit {
    struct str text;
    uint64_t factor;
};

static const struct unit sizes[] = {{{"", 0}, 1},
                                    {{"KiB", 3}, 1u << 10},
                                    {{"MiB", 3}, 1u << 20},
                                    {{"GiB", 3}, 1u << 30},
                                    {{"TiB", 3}, (uint64_t)1 << 40}};
static const struct unit durations[] = {
    {{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}};

static const struct scale {
    const char *name;
    const struct unit *units;
    size_t n;
    const char *hint;
} scales[] = {
    [YAML_COUNT] = {"number", sizes, 1, "a number is digits alone"},
    [YAML_SIZE] = {"size", sizes, COUNT_OF(sizes),
                   "a size is digits and KiB, MiB, GiB or TiB; digits alone are bytes"},
    [YAML_DURATION] = {"time", durations, COUNT_OF(durations),
                       "a time is digits and ms, s, m or h"},
};

/* In the largest unit that leaves no rest. */
static void put_scaled(struct out *o, uint64_t v, const struct scale *s)
{
    size_t unit = 0;
    for (size_t i = 1; i < s->n && v; i++)
        if (v % s->units[i].factor == 0)
            unit = i;
    out_u64(o, v / s->units[unit].factor);
    out_str(o, s->units[unit].text);
}

static void put_choices(struct out *o, const char *choices, const char *last)
{
    struct str rest = str_of(choices), one;
    for (bool is_first = true; str_split(&rest, '|', &one); is_first = false) {
        if (!is_first)
            out_str(o, rest.p ? STR(", ") : str_of(last));
        out_str(o, one);
    }
}

static void put_noun(struct out *o, const char *noun, bool is_list)
{
    if (is_list)
        out_fmt(o, "a list of %ss", noun);
    else
        out_fmt(o, "%s %s", article(noun), noun);
}

void yaml_put_accepted(const struct yaml_key *k, struct out *o)
{
    const char *noun = k->noun ? k->noun : "text";
    switch (k->type) {
    case YAML_TRUTH:
        OUT(o, "true or false");
        break;
    case YAML_COUNT:
    case YAML_SIZE:
    case YAML_DURATION:
        out_fmt(o, "a %s from ", scales[k->type].name);
        put_scaled(o, k->least, &scales[k->type]);
        OUT(o, " to ");
        put_scaled(o, k->most, &scales[k->type]);
        break;
    case YAML_CHOICE:
        put_choices(o, k->choices, " or ");
        break;
    case YAML_CHOICES:
        OUT(o, "a list of ");
        put_choices(o, k->choices, " and ");
        break;
    case YAML_PART:
    case YAML_READ_PART:
        OUT(o, "a mapping");
        break;
    case YAML_READ_MAP:
        out_fmt(o, "a mapping from names to %ss", k->table->name);
        break;
    case YAML_KEEP:
        if (k->table)
            OUT(o, "a mapping");
        else
            put_noun(o, noun, false);
        break;
    case YAML_READ_LIST:
        put_noun(o, k->table ? k->table->name : noun, true);
        break;
    case YAML_TEXT:
    case YAML_READ_TEXT:
        put_noun(o, noun, false);
        break;
    case YAML_TEXTS:
        put_noun(o, noun, true);
        break;
    }
}

static enum yaml_kind kind_of(const struct yaml_key *k)
{
    switch (k->type) {
    case YAML_TEXTS:
    case YAML_CHOICES:
    case YAML_READ_LIST:
        return YAML_LIST;
    case YAML_PART:
    case YAML_READ_PART:
    case YAML_READ_MAP:
        return YAML_MAP;
    case YAML_KEEP:
        return k->table ? YAML_MAP : YAML_SCALAR;
    default:
        return YAML_SCALAR;
    }
}

/* ---- errors */

static void put_found(struct out *o, const struct yaml *node)
{
    if (yaml_is_nothing(node)) {
        OUT(o, "nothing");
    } else if (node->kind == YAML_SCALAR) {
        out_char(o, '\'');
        out_visible(o, node->text, 60);
        out_char(o, '\'');
    } else {
        out_str(o, node->kind == YAML_LIST ? STR("a list") : STR("a mapping"));
    }
}

int yaml_wrong(struct yaml_reader *r, const struct yaml *node)
{
    char accepted[ACCEPTED_BYTES], found[ACCEPTED_BYTES];
    struct out a, f;
    out_init(&a, accepted, sizeof accepted);
    out_init(&f, found, sizeof found);
    yaml_put_accepted(r->key, &a);
    put_found(&f, node);
    return yaml_error(node, r->file, r->d, "'%s' takes %.*s, not %.*s", r->key->name,
                      STR_ARG(out_get(&a)), STR_ARG(out_get(&f)));
}

/* The same of an entry of a list. */
static int wrong_entry(struct yaml_reader *r, const struct yaml *node)
{
    char accepted[ACCEPTED_BYTES], found[ACCEPTED_BYTES];
    struct out a, f;
    out_init(&a, accepted, sizeof accepted);
    out_init(&f, found, sizeof found);
    if (r->key->choices)
        put_choices(&a, r->key->choices, " or ");
    else
        put_noun(&a, r->key->noun ? r->key->noun : "text", false);
    put_found(&f, node);
    return yaml_error(node, r->file, r->d, "an entry of '%s' is %.*s, not %.*s", r->key->name,
                      STR_ARG(out_get(&a)), STR_ARG(out_get(&f)));
}

static int unknown_key(struct yaml_reader *r, const struct yaml *key,
                       const struct yaml_table *table)
{
    char memory[sizeof r->d->hint];
    struct str names[64];
    struct out o;
    CHECK(table->n <= COUNT_OF(names));
    out_init(&o, memory, sizeof memory);
    for (size_t i = 0; i < table->n; i++) {
        names[i] = str_of(table->keys[i].name);
        out_fmt(&o, "%s%s", i ? ", " : "", table->keys[i].name);
    }
    struct str near = str_nearest(key->text, names, table->n);
    struct str shown = arena_printf(r->arena, "%.*s", STR_ARG(str_sub(key->text, 0, 60)));
    int rc = yaml_error(key, r->file, r->d, "%s %s has no key '%.*s'", article(table->name),
                        table->name, STR_ARG(shown));
    if (near.p)
        diag_hint(r->d, "did you mean '%.*s'?", STR_ARG(near));
    else
        diag_hint(r->d, "its keys are: %.*s", STR_ARG(out_get(&o)));
    return rc;
}

static int missing_key(struct yaml_reader *r, const struct yaml *map,
                       const struct yaml_table *table, const struct yaml_key *k)
{
    int rc = yaml_error(map, r->file, r->d, "%s %s needs the key '%s'", article(table->name),
                        table->name, k->name);
    diag_hint(r->d, "%s: %s", k->name, k->text);
    return rc;
}

static int no_memory(struct yaml_reader *r)
{
    return diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
}

int yaml_array(struct yaml_reader *r, size_t n, size_t size, void *out)
{
    void *array = arena_zalloc(r->arena, (n + 1) * size);
    memcpy(out, &array, sizeof array);
    return array ? 0 : no_memory(r);
}

/* ---- values */

int yaml_text(struct yaml_reader *r, const struct yaml *node, struct str *out)
{
    *out = node->text;
    if (node->kind != YAML_SCALAR || yaml_is_nothing(node) || node->text.n == 0 ||
        (r->key->check && !r->key->check(node->text)))
        return kind_of(r->key) == YAML_LIST ? wrong_entry(r, node) : yaml_wrong(r, node);
    return 0;
}

static int read_texts(struct yaml_reader *r, const struct yaml *node, const struct yaml_key *k,
                      void *object)
{
    size_t most = k->most ? k->most : YAML_MAX_TEXTS, n = 0;
    struct str *texts;
    if (node->length > most)
        return yaml_error(node, r->file, r->d, "'%s' has %zu entries, %zu are allowed", k->name,
                          node->length, most);
    int rc = yaml_array(r, node->length, sizeof *texts, &texts);
    for (const struct yaml *i = node->first; i && rc == 0; i = i->next)
        rc = yaml_text(r, i, &texts[n++]);
    if (rc == 0) {
        memcpy((char *)object + k->offset, &texts, sizeof texts);
        memcpy((char *)object + k->count, &n, sizeof n);
    }
    return rc;
}

/* Digits and a unit. */
static int scaled(struct str s, const struct scale *scale, uint64_t *out)
{
    size_t digits = 0;
    uint64_t v;
    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    struct str unit = str_from(s, digits);
    for (size_t i = 0; i < scale->n; i++) {
        if (!str_eq(unit, scale->units[i].text))
            continue;
        if (str_digits(str_sub(s, 0, digits), UINT64_MAX / scale->units[i].factor, &v) < 0)
            return ERR_INVALID;
        *out = v * scale->units[i].factor;
        return 0;
    }
    return ERR_INVALID;
}

static int read_number(struct yaml_reader *r, const struct yaml *v, const struct yaml_key *k,
                       void *to)
{
    uint64_t number = 0;
    bool is_number = scaled(v->text, &scales[k->type], &number) == 0;
    if (!is_number || number < k->least || number > k->most) {
        int rc = yaml_wrong(r, v);
        if (!is_number)
            diag_hint(r->d, "%s", scales[k->type].hint);
        return rc;
    }
    if (k->type == YAML_DURATION)
        *(uint32_t *)to = (uint32_t)number;
    else
        *(uint64_t *)to = number;
    return 0;
}

static int read_choice(struct yaml_reader *r, const struct yaml *v, const struct yaml_key *k,
                       unsigned *out)
{
    struct str rest = str_of(k->choices), names[32];
    size_t n = 0;
    while (n < COUNT_OF(names) && str_split(&rest, '|', &names[n])) {
        if (v->kind == YAML_SCALAR && str_eq(names[n], v->text)) {
            *out = (unsigned)n;
            return 0;
        }
        n++;
    }
    int rc = k->type == YAML_CHOICES ? wrong_entry(r, v) : yaml_wrong(r, v);
    struct str near = v->kind == YAML_SCALAR ? str_nearest(v->text, names, n) : STR_NULL;
    if (near.p)
        diag_hint(r->d, "did you mean '%.*s'?", STR_ARG(near));
    return rc;
}

static int read_choices(struct yaml_reader *r, const struct yaml *node, const struct yaml_key *k,
                        unsigned *out)
{
    unsigned bits = 0, one = 0;
    int rc = 0;
    for (const struct yaml *i = node->first; i && rc == 0; i = i->next) {
        rc = read_choice(r, i, k, &one);
        bits |= 1u << one;
    }
    *out = bits;
    return rc;
}

static int read_truth(struct yaml_reader *r, const struct yaml *v, bool *out)
{
    *out = str_eq(v->text, STR("true"));
    return *out || str_eq(v->text, STR("false")) ? 0 : yaml_wrong(r, v);
}

static int read_value(struct yaml_reader *r, const struct yaml *v, const struct yaml_key *k,
                      void *object)
{
    void *to = (char *)object + k->offset;
    r->key = k;
    if (v->kind != kind_of(k) || yaml_is_nothing(v))
        return yaml_wrong(r, v);
    switch (k->type) {
    case YAML_TEXT:
        return yaml_text(r, v, to);
    case YAML_TEXTS:
        return read_texts(r, v, k, object);
    case YAML_TRUTH:
        return read_truth(r, v, to);
    case YAML_COUNT:
    case YAML_SIZE:
    case YAML_DURATION:
        return read_number(r, v, k, to);
    case YAML_CHOICE:
        return read_choice(r, v, k, to);
    case YAML_CHOICES:
        return read_choices(r, v, k, to);
    case YAML_PART:
        return yaml_read(r, v, k->table, to);
    case YAML_KEEP:
        *(const struct yaml **)to = v;
        return 0;
    case YAML_READ_TEXT:
    case YAML_READ_LIST:
    case YAML_READ_MAP:
    case YAML_READ_PART:
        return k->read(r, v, object);
    }
    return 0;
}

static void set_default(struct yaml_reader *r, const struct yaml_key *k, void *object)
{
    struct yaml value = {.kind = YAML_SCALAR, .text = str_of(k->value)};
    if (k->type == YAML_PART)
        yaml_defaults(r, k->table, (char *)object + k->offset);
    else if (k->value)
        CHECK(read_value(r, &value, k, object) == 0); /* the table holds a value of its own type */
}

void yaml_defaults(struct yaml_reader *r, const struct yaml_table *table, void *object)
{
    for (size_t i = 0; i < table->n; i++)
        set_default(r, &table->keys[i], object);
}

static bool has_key(const struct yaml_table *table, struct str name)
{
    for (size_t i = 0; i < table->n; i++)
        if (str_eq(str_of(table->keys[i].name), name))
            return true;
    return false;
}

int yaml_read(struct yaml_reader *r, const struct yaml *map, const struct yaml_table *table,
              void *object)
{
    int rc = 0;
    if (map->kind != YAML_MAP)
        return yaml_error(map, r->file, r->d, "%s %s is a mapping of keys, as in key: value",
                          article(table->name), table->name);
    for (const struct yaml *k = map->first; k; k = k->next)
        if (!has_key(table, k->text))
            return unknown_key(r, k, table);
    for (size_t i = 0; i < table->n; i++)
        if (table->keys[i].required && !yaml_get(map, str_of(table->keys[i].name)))
            return missing_key(r, map, table, &table->keys[i]);
    for (size_t i = 0; i < table->n && rc == 0; i++) {
        const struct yaml *key = yaml_get(map, str_of(table->keys[i].name));
        if (key)
            rc = read_value(r, key->value, &table->keys[i], object);
        else
            set_default(r, &table->keys[i], object);
    }
    return rc;
}
