#include "ctl/scrape.h"

int scrape_number(struct str text, double *to)
{
    struct str whole;
    uint64_t v, part = 0;
    double scale = 1;
    str_split(&text, '.', &whole);
    int rc = str_digits(whole, UINT64_MAX, &v);
    if (rc == 0 && text.p) {
        rc = str_digits(text, UINT64_MAX, &part);
        for (size_t i = 0; i < text.n; i++)
            scale *= 10;
    }
    *to = rc == 0 ? (double)v + (double)part / scale : 0;
    return rc;
}

/* name="value" off the front of *rest, with the comma behind it. */
static int take_label(struct str *rest, struct scrape_label *to)
{
    ptrdiff_t equals = str_find(*rest, '=');
    if (equals <= 0 || (size_t)equals + 1 >= rest->n || rest->p[equals + 1] != '"')
        return ERR_INVALID;
    to->name = str_sub(*rest, 0, (size_t)equals);
    *rest = str_from(*rest, (size_t)equals + 2);
    ptrdiff_t quote = str_find(*rest, '"');
    if (quote < 0)
        return ERR_INVALID;
    to->value = str_sub(*rest, 0, (size_t)quote);
    *rest = str_from(*rest, (size_t)quote + 1);
    if (rest->n && rest->p[0] == ',')
        *rest = str_from(*rest, 1);
    return 0;
}

/* name{label="value",…} value */
static int take_sample(struct str line, struct scrape_sample *s)
{
    size_t n = 0;
    while (n < line.n && line.p[n] != '{' && line.p[n] != ' ')
        n++;
    s->name = str_sub(line, 0, n);
    struct str rest = str_from(line, n);
    if (s->name.n == 0 || rest.n == 0)
        return ERR_INVALID;
    if (rest.p[0] == '{') {
        rest = str_from(rest, 1);
        while (rest.n && rest.p[0] != '}') {
            struct scrape_label label;
            int rc = take_label(&rest, &label);
            if (rc < 0)
                return rc;
            if (s->n_labels < SCRAPE_LABELS)
                s->labels[s->n_labels++] = label;
        }
        rest = str_from(rest, 1);
    }
    return str_starts(rest, STR(" ")) ? scrape_number(str_from(rest, 1), &s->value) : ERR_INVALID;
}

int scrape_parse(struct str text, struct arena *a, struct scrape *out)
{
    struct str rest = text, line;
    size_t lines = 0;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    *out = (struct scrape){.samples = arena_zalloc(a, (lines + 1) * sizeof *out->samples)};
    if (!out->samples || arena_overflowed(a))
        return ERR_NO_MEMORY;
    while (str_split(&rest, '\n', &line)) {
        if (str_eq(line, STR("# EOF")))
            return 0;
        if (str_starts(line, STR("#")))
            continue;
        int rc = take_sample(line, &out->samples[out->n]);
        if (rc < 0)
            return rc;
        out->n++;
    }
    return ERR_INVALID;
}

struct str scrape_label(const struct scrape_sample *s, struct str name)
{
    for (size_t i = 0; i < s->n_labels; i++)
        if (str_eq(s->labels[i].name, name))
            return s->labels[i].value;
    return STR_NULL;
}

double scrape_value(const struct scrape *s, struct str name)
{
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(s->samples[i].name, name))
            return s->samples[i].value;
    return 0;
}
