#include "cfg/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#define MAX_DEPTH 32

int yaml_error(const struct yaml *at, const char *file, struct diag *d, const char *format, ...)
{
    va_list ap;
    if (!d || d->code)
        return ERR_CONFIG;
    d->code = ERR_CONFIG;
    va_start(ap, format);
    if (vsnprintf(d->message, sizeof d->message, format, ap) < 0)
        d->message[0] = 0;
    va_end(ap);
    snprintf(d->file, sizeof d->file, "%s", file);
    d->line = at->line;
    d->column = at->column;
    return ERR_CONFIG;
}

struct builder {
    yaml_document_t *document;
    const char *file;
    struct arena *arena;
    struct diag *d;
};

static int build(struct builder *b, int id, unsigned depth, struct yaml **out);

static bool key_exists(const struct yaml *map, struct str key)
{
    return yaml_get(map, key) != NULL;
}

static int build_pair(struct builder *b, const yaml_node_pair_t *pair, unsigned depth,
                      struct yaml *map, struct yaml ***tail)
{
    struct yaml *key;
    int rc = build(b, pair->key, depth + 1, &key);
    if (rc < 0)
        return rc;
    if (key->kind != YAML_SCALAR)
        return yaml_error(key, b->file, b->d, "a key must be a word");
    if (str_eq(key->text, STR("<<")))
        return yaml_error(key, b->file, b->d, "merge keys are not read here: write the keys out");
    if (key_exists(map, key->text))
        return yaml_error(key, b->file, b->d, "the key '%.*s' stands twice", STR_ARG(key->text));
    rc = build(b, pair->value, depth + 1, &key->value);
    **tail = key;
    *tail = &key->next;
    return rc;
}

static int build(struct builder *b, int id, unsigned depth, struct yaml **out)
{
    yaml_node_t *n = yaml_document_get_node(b->document, id);
    struct yaml *y = arena_new(b->arena, struct yaml);
    struct yaml **tail = &y->first;
    int rc = 0;
    *out = y;
    y->line = (unsigned)n->start_mark.line + 1;
    y->column = (unsigned)n->start_mark.column + 1;
    if (depth > MAX_DEPTH || arena_overflowed(b->arena))
        return yaml_error(y, b->file, b->d, "the file is nested too deep or too large");
    if (n->type == YAML_SCALAR_NODE) {
        y->kind = YAML_SCALAR;
        y->is_plain = n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        y->text = arena_str(
            b->arena, (struct str){(const char *)n->data.scalar.value, n->data.scalar.length});
        if (y->text.n && memchr(y->text.p, 0, y->text.n))
            rc = yaml_error(y, b->file, b->d, "a NUL byte in a text");
        return rc;
    }
    if (n->type == YAML_SEQUENCE_NODE) {
        y->kind = YAML_LIST;
        for (yaml_node_item_t *i = n->data.sequence.items.start;
             rc == 0 && i < n->data.sequence.items.top; i++) {
            rc = build(b, *i, depth + 1, tail);
            tail = &(*tail)->next;
        }
        return rc;
    }
    y->kind = YAML_MAP;
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
         rc == 0 && p < n->data.mapping.pairs.top; p++)
        rc = build_pair(b, p, depth, y, &tail);
    return rc;
}

/* Anchors, aliases and tags are seen in the events only. */
static int check_events(struct str text, const char *file, struct diag *d)
{
    yaml_parser_t p;
    yaml_event_t e;
    int rc = 0, documents = 0;
    bool end = false;
    if (!yaml_parser_initialize(&p))
        return diag_set(d, ERR_NO_MEMORY, "no memory to read %s", file);
    yaml_parser_set_input_string(&p, (const unsigned char *)text.p, text.n);
    while (rc == 0 && !end) {
        struct yaml at = {0};
        if (!yaml_parser_parse(&p, &e)) {
            at.line = (unsigned)p.problem_mark.line + 1;
            at.column = (unsigned)p.problem_mark.column + 1;
            rc = yaml_error(&at, file, d, "not YAML: %s", p.problem ? p.problem : "unreadable");
            break;
        }
        at.line = (unsigned)e.start_mark.line + 1;
        at.column = (unsigned)e.start_mark.column + 1;
        bool marked =
            e.type == YAML_ALIAS_EVENT ||
            (e.type == YAML_SCALAR_EVENT && (e.data.scalar.anchor || e.data.scalar.tag)) ||
            (e.type == YAML_MAPPING_START_EVENT &&
             (e.data.mapping_start.anchor || e.data.mapping_start.tag)) ||
            (e.type == YAML_SEQUENCE_START_EVENT &&
             (e.data.sequence_start.anchor || e.data.sequence_start.tag));
        if (marked)
            rc = yaml_error(&at, file, d, "anchors, aliases and tags are not read here");
        if (e.type == YAML_DOCUMENT_START_EVENT && ++documents > 1)
            rc = yaml_error(&at, file, d, "a second document: the file must hold one");
        end = e.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&p);
    return rc;
}

int yaml_parse(struct str text, const char *file, struct arena *a, struct yaml **out,
               struct diag *d)
{
    yaml_parser_t p;
    yaml_document_t document;
    int rc = check_events(text, file, d);
    if (rc < 0)
        return rc;
    if (!yaml_parser_initialize(&p))
        return diag_set(d, ERR_NO_MEMORY, "no memory to read %s", file);
    yaml_parser_set_input_string(&p, (const unsigned char *)text.p, text.n);
    struct yaml top = {.line = 1, .column = 1};
    if (!yaml_parser_load(&p, &document)) {
        rc = yaml_error(&top, file, d, "not YAML: %s", p.problem ? p.problem : "unreadable");
    } else {
        struct builder b = {&document, file, a, d};
        if (yaml_document_get_root_node(&document))
            rc = build(&b, 1, 0, out);
        else
            rc = yaml_error(&top, file, d, "the file is empty");
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&p);
    return rc;
}

/* ---- reading nodes */

size_t yaml_length(const struct yaml *node)
{
    size_t n = 0;
    for (const struct yaml *i = node->first; i; i = i->next)
        n++;
    return n;
}

const struct yaml *yaml_get(const struct yaml *map, struct str key)
{
    for (const struct yaml *k = map->first; k; k = k->next)
        if (str_eq(k->text, key))
            return k;
    return NULL;
}

int yaml_expect(struct yaml_reader *r, const struct yaml *node, enum yaml_kind kind)
{
    static const char *const names[] = {"a text", "a list", "a mapping"};
    if (node->kind == kind)
        return 0;
    return yaml_error(node, r->file, r->d, "%s is expected here, not %s", names[kind],
                      names[node->kind]);
}

int yaml_text(struct yaml_reader *r, const struct yaml *node, struct str *out)
{
    int rc = yaml_expect(r, node, YAML_SCALAR);
    *out = node->text;
    return rc;
}

int yaml_texts(struct yaml_reader *r, const struct yaml *node, struct str **out, size_t *n)
{
    int rc = yaml_expect(r, node, YAML_LIST);
    size_t length = rc < 0 ? 0 : yaml_length(node), i = 0;
    *out = arena_zalloc(r->arena, (length + 1) * sizeof **out);
    if (!*out)
        return diag_set(r->d, ERR_NO_MEMORY, "%s is too large", r->file);
    for (const struct yaml *item = length ? node->first : NULL; item && rc == 0; item = item->next)
        rc = yaml_text(r, item, &(*out)[i++]);
    *n = i;
    return rc;
}

struct unit {
    struct str text;
    uint64_t factor;
};

/* Digits and a unit. */
static int scaled(struct str s, const struct unit *units, size_t n_units, uint64_t *out)
{
    size_t digits = 0;
    uint64_t v;
    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    struct str unit = str_trim(str_from(s, digits));
    for (size_t i = 0; i < n_units; i++) {
        if (!str_eq(unit, units[i].text))
            continue;
        if (str_digits(str_sub(s, 0, digits), UINT64_MAX / units[i].factor, &v) < 0)
            return ERR_INVALID;
        *out = v * units[i].factor;
        return 0;
    }
    return ERR_INVALID;
}

static const struct unit sizes[] = {
    {{"", 0}, 1}, {{"KiB", 3}, 1u << 10}, {{"MiB", 3}, 1u << 20}, {{"GiB", 3}, 1u << 30}};
static const struct unit durations[] = {
    {{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}};

static int read_count(struct yaml_reader *r, const struct yaml *v, const struct yaml_key *k,
                      uint64_t *out)
{
    static const struct {
        const struct unit *units;
        size_t n;
        const char *form;
    } forms[] = {
        [YAML_COUNT] = {sizes, 1, "a number"},
        [YAML_SIZE] = {sizes, 4, "a size such as 64KiB or 1GiB"},
        [YAML_DURATION] = {durations, 4, "a time such as 500ms, 30s or 1h"},
    };
    if (scaled(v->text, forms[k->type].units, forms[k->type].n, out) < 0)
        return yaml_error(v, r->file, r->d, "'%s' must be %s, not '%.*s'", k->name,
                          forms[k->type].form, STR_ARG(v->text));
    if (*out < k->least || *out > k->most)
        return yaml_error(v, r->file, r->d, "'%s' must be between %llu and %llu%s", k->name,
                          (unsigned long long)k->least, (unsigned long long)k->most,
                          k->type == YAML_DURATION ? " ms" : "");
    return 0;
}

static int read_choice(struct yaml_reader *r, const struct yaml *v, const struct yaml_key *k,
                       unsigned *out)
{
    struct str rest = str_of(k->choices), one;
    for (unsigned i = 0; str_split(&rest, '|', &one); i++)
        if (str_eq(one, v->text)) {
            *out = i;
            return 0;
        }
    return yaml_error(v, r->file, r->d, "'%s' must be one of %s, not '%.*s'", k->name, k->choices,
                      STR_ARG(v->text));
}

static int read_truth(struct yaml_reader *r, const struct yaml *v, const struct yaml_key *k,
                      bool *out)
{
    *out = str_eq(v->text, STR("true"));
    if (*out || str_eq(v->text, STR("false")))
        return 0;
    return yaml_error(v, r->file, r->d, "'%s' must be true or false, not '%.*s'", k->name,
                      STR_ARG(v->text));
}

static int read_value(struct yaml_reader *r, const struct yaml *v, const struct yaml_key *k,
                      void *object)
{
    void *to = (char *)object + k->offset;
    uint64_t number = 0;
    int rc;
    if (k->type == YAML_CUSTOM)
        return k->read(r, v, object);
    rc = yaml_expect(r, v, YAML_SCALAR);
    if (rc < 0)
        return rc;
    switch (k->type) {
    case YAML_TEXT:
        *(struct str *)to = v->text;
        return v->text.n ? 0 : yaml_error(v, r->file, r->d, "'%s' is empty", k->name);
    case YAML_TRUTH:
        return read_truth(r, v, k, to);
    case YAML_CHOICE:
        return read_choice(r, v, k, to);
    default:
        rc = read_count(r, v, k, &number);
        if (rc == 0 && k->type == YAML_DURATION)
            *(uint32_t *)to = (uint32_t)number;
        else if (rc == 0)
            *(uint64_t *)to = number;
        return rc;
    }
}

static int unknown_key(struct yaml_reader *r, const struct yaml *key, const struct yaml_key *keys,
                       size_t n)
{
    struct str names[64];
    size_t count = n < 64 ? n : 64;
    for (size_t i = 0; i < count; i++)
        names[i] = str_of(keys[i].name);
    struct str near = str_nearest(key->text, names, count);
    int rc = yaml_error(key, r->file, r->d, "unknown key '%.*s'", STR_ARG(key->text));
    if (near.p)
        diag_hint(r->d, "did you mean '%.*s'?", STR_ARG(near));
    return rc;
}

int yaml_read(struct yaml_reader *r, const struct yaml *map, const struct yaml_key *keys, size_t n,
              void *object)
{
    int rc = yaml_expect(r, map, YAML_MAP);
    for (const struct yaml *k = rc < 0 ? NULL : map->first; k && rc == 0; k = k->next) {
        size_t i = 0;
        while (i < n && !str_eq(str_of(keys[i].name), k->text))
            i++;
        rc = i < n ? read_value(r, k->value, &keys[i], object) : unknown_key(r, k, keys, n);
    }
    for (size_t i = 0; i < n && rc == 0; i++)
        if (keys[i].required && !yaml_get(map, str_of(keys[i].name)))
            rc = yaml_error(map, r->file, r->d, "the key '%s' is missing: %s", keys[i].name,
                            keys[i].text);
    return rc;
}
