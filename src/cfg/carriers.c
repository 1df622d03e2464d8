/* Carriers and propagation in an application description. */
#include "cfg/description.h"

static bool is_separator(struct str s)
{
    return s.n == 1 && s.p[0] != '/';
}

static bool is_form(struct str s)
{
    return memmem(s.p, s.n, "{uuid4}", 7) != NULL;
}

static int read_separator(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct str text;
    int rc = yaml_text(r, n, &text);
    if (rc == 0)
        ((struct app_carriers *)o)->path_separator = text.p[0];
    return rc;
}

static const struct yaml_key path_keys[] = {
    {"separator", YAML_READ_TEXT, .read = read_separator, .required = true,
     .noun = "single character but '/'", .check = is_separator,
     .text = "the character in front of the scope"},
    {"body", YAML_TEXT, offsetof(struct app_carriers, path_body_pointer), .noun = "JSON Pointer",
     .check = description_is_pointer,
     .text = "member of the body that repeats the variable, and is cut like it"},
};
static const struct yaml_table path_table = {"path carrier", path_keys, COUNT_OF(path_keys)};

struct correlation {
    struct str field, form;
    uint32_t keep_ms;
};

static const struct yaml_key correlation_keys[] = {
    {"field", YAML_TEXT, offsetof(struct correlation, field), .required = true,
     .noun = "field name", .check = description_is_field,
     .text = "the field that services pass on to each other"},
    {"form", YAML_TEXT, offsetof(struct correlation, form), .required = true,
     .noun = "text with {uuid4} in it", .check = is_form, .text = "what its values look like"},
    {"keep", YAML_DURATION, offsetof(struct correlation, keep_ms), .least = 1000, .most = 86400000,
     .value = "10m", .text = "how long an identifier is remembered"},
};
static const struct yaml_table correlation_table = {"correlation identifier", correlation_keys,
                                                    COUNT_OF(correlation_keys)};

static int read_correlation(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app_carriers *c = o;
    struct correlation x = {0};
    int rc = yaml_read(r, n, &correlation_table, &x);
    c->correlation_field = x.field;
    c->correlation_form = x.form;
    c->correlation_keep_s = x.keep_ms / 1000;
    return rc;
}

static const struct yaml_key carrier_keys[] = {
    {"credentials", YAML_TEXTS, offsetof(struct app_carriers, credential_fields),
     offsetof(struct app_carriers, n_credential_fields), .noun = "field name",
     .check = description_is_field,
     .text = "fields that hold a credential, and may have a scope's suffix"},
    {"fields", YAML_TEXTS, offsetof(struct app_carriers, scope_fields),
     offsetof(struct app_carriers, n_scope_fields), .noun = "field name",
     .check = description_is_field, .text = "fields whose whole value is a scope; removed"},
    {"path", YAML_PART, 0, .table = &path_table,
     .text = "a path variable may carry a scope, on types with path_carrier"},
    {"body", YAML_TEXT, offsetof(struct app_carriers, body_pointer), .noun = "JSON Pointer",
     .check = description_is_pointer,
     .text = "member of a body that is a scope, on types with body_carrier"},
    {"correlation", YAML_READ_PART, .read = read_correlation, .table = &correlation_table,
     .text = "the identifier that services pass on to each other"},
};
const struct yaml_table description_carriers_table = {"mapping of carriers", carrier_keys,
                                                      COUNT_OF(carrier_keys)};

/* ---- propagation: only what is described as a carrier, or Cheops would not take it up again */

static bool is_credential(const struct app_carriers *c, struct str field)
{
    for (size_t i = 0; i < c->n_credential_fields; i++)
        if (str_eq_nocase(c->credential_fields[i], field))
            return true;
    return false;
}

static int read_credentials_too(struct yaml_reader *r, const struct yaml *n, void *o)
{
    const struct app_carriers *c = &description_of(r)->app->carriers;
    struct app_propagate *p = o;
    int rc = yaml_array(r, n->length, sizeof *p->credential_fields, &p->credential_fields);
    for (const struct yaml *i = n->first; i && rc == 0; i = i->next) {
        struct str *field = &p->credential_fields[p->n_credential_fields++];
        rc = yaml_text(r, i, field);
        if (rc == 0 && !is_credential(c, *field))
            rc = yaml_error(i, r->file, r->d, "'%.*s' is not among the credentials under carriers",
                            STR_ARG(*field));
    }
    return rc;
}

static const struct yaml_key propagate_keys[] = {
    {"scope", YAML_TRUTH, offsetof(struct app_propagate, scope_field), .value = "false",
     .text = "the field Scope"},
    {"baggage", YAML_TRUTH, offsetof(struct app_propagate, baggage), .value = "false",
     .text = "the member scope of W3C baggage"},
    {"correlation", YAML_TRUTH, offsetof(struct app_propagate, correlation), .value = "false",
     .text = "the correlation identifier"},
    {"credentials", YAML_READ_LIST, .read = read_credentials_too, .noun = "field name",
     .check = description_is_field, .text = "credential fields that get the suffix"},
};
const struct yaml_table description_propagate_table = {"mapping of what is propagated",
                                                       propagate_keys, COUNT_OF(propagate_keys)};

int description_read_propagate(struct yaml_reader *r, const struct yaml *n, void *o)
{
    struct app *app = o;
    int rc = yaml_read(r, n, &description_propagate_table, &app->propagate);
    if (rc == 0 && app->propagate.correlation && !app->carriers.correlation_field.p)
        rc = yaml_error(yaml_get(n, STR("correlation")), r->file, r->d,
                        "there is no correlation under carriers");
    return rc;
}
