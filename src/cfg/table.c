#include "cfg/table.h"

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
    size_t length = rc < 0 ? 0 : node->length, i = 0;
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
