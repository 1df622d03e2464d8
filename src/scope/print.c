/* The canonical form. */
#include "scope/internal.h"

static const struct {
    const char *joint;
    int rank; /* the higher, the tighter it binds */
} operators[] = {
    [SCOPE_OTHERWISE] = {" ; ", 1},
    [SCOPE_CROSS] = {" % ", 2},
    [SCOPE_REPLICA] = {" & ", 3},
};

static bool is_operator(enum scope_loc_kind kind)
{
    return kind == SCOPE_OTHERWISE || kind == SCOPE_CROSS || kind == SCOPE_REPLICA;
}

static void print_chain(const struct scope_loc *l, struct out *o)
{
    for (const struct scope_loc *operand = l->first; operand; operand = operand->next) {
        bool is_looser =
            is_operator(operand->kind) && operators[operand->kind].rank < operators[l->kind].rank;
        if (operand != l->first)
            out_str(o, str_of(operators[l->kind].joint));
        if (is_looser)
            out_char(o, '(');
        scope_print_loc(operand, o);
        if (is_looser)
            out_char(o, ')');
    }
}

void scope_print_loc(const struct scope_loc *loc, struct out *o)
{
    switch (loc->kind) {
    case SCOPE_SITE:
        out_str(o, loc->name);
        break;
    case SCOPE_HERE:
        OUT(o, "here");
        break;
    case SCOPE_ALL:
        OUT(o, "*");
        break;
    case SCOPE_AROUND:
        OUT(o, "around(");
        out_str(o, loc->name.p ? loc->name : STR("here"));
        OUT(o, ", ");
        out_str(o, loc->duration.text);
        OUT(o, ")");
        break;
    default:
        print_chain(loc, o);
    }
}

static void print_key(const struct scope_binding *b, struct out *o)
{
    if (!b->key.p && !b->is_any)
        return;
    if (b->is_any)
        out_char(o, '*');
    else if (scope_is_name(b->key) && scope_option_find(b->key) == SCOPE_OPTION_COUNT)
        out_str(o, b->key);
    else
        out_json(o, b->key);
    OUT(o, ": ");
}

static void separate(bool *is_first, struct out *o)
{
    if (!*is_first)
        OUT(o, ", ");
    *is_first = false;
}

static void print_option(enum scope_option option, struct str value, bool *is_first, struct out *o)
{
    if (!value.p)
        return;
    separate(is_first, o);
    out_str(o, str_of(scope_options[option].name));
    OUT(o, ": ");
    out_str(o, value);
}

/* The word of an option's enumerator; absent for 0. */
static struct str word(enum scope_option option, unsigned value)
{
    return value ? str_of(scope_options[option].values[value - 1]) : STR_NULL;
}

void scope_print(const struct scope *s, struct out *o)
{
    bool is_first = true;
    out_char(o, '{');
    for (const struct scope_binding *b = s->bindings; b; b = b->next) {
        separate(&is_first, o);
        print_key(b, o);
        scope_print_loc(b->loc, o);
    }
    print_option(SCOPE_OPTION_PRIME, s->prime, &is_first, o);
    print_option(SCOPE_OPTION_WAIT, word(SCOPE_OPTION_WAIT, s->wait), &is_first, o);
    print_option(SCOPE_OPTION_CONSISTENCY, word(SCOPE_OPTION_CONSISTENCY, s->consistency),
                 &is_first, o);
    print_option(SCOPE_OPTION_TIMEOUT, s->timeout.text, &is_first, o);
    print_option(SCOPE_OPTION_MISSING, word(SCOPE_OPTION_MISSING, s->missing), &is_first, o);
    out_char(o, '}');
}

bool scope_fits(const struct scope *s)
{
    char form[SCOPE_MAX_BYTES];
    struct out o;
    out_init(&o, form, sizeof form);
    scope_print(s, &o);
    return !o.overflowed;
}
