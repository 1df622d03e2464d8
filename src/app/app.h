/* app/app.h: an application description in memory (design.md section 4, docs/app-description.md).
 *
 * Read by cfg from YAML, immutable afterwards, one reference-counted configuration snapshot owns
 * it. Everything an instance of Cheops knows of an application is in here; no C code names one. All
 * strings and arrays live in the snapshot's arena.
 */
#ifndef APP_APP_H
#define APP_APP_H

#include "app/replication.h"
#include "base/arena.h"
#include "base/str.h"

#define APP_MAX_SERVICES 64

/* Kinds of operation (scope-lang.md section 4). */
enum app_kind {
    APP_CREATE,
    APP_READ,
    APP_LIST,
    APP_UPDATE,
    APP_DELETE,
    APP_ACTION,
    APP_META,
    APP_STREAM,
    APP_OPAQUE,
    APP_KINDS
};

/* One piece of a path template between two slashes: a literal, or a variable that matches one
 * segment (never an empty, "." or ".." one, nor one with %2F). */
struct app_segment {
    bool is_variable;
    struct str text; /* the literal with unreserved characters decoded, or the variable's name */
};

struct app_template {
    struct str text; /* as written */
    struct app_segment *segments;
    size_t n;
    bool is_prefix; /* ends in a variable of the form {path...}: matches one or more segments */
    unsigned line, column; /* in the description, for reports of clashes */
};

enum app_condition_kind {
    APP_IF_QUERY,      /* parameter `name` is there, and has `value` when that is not absent */
    APP_IF_MEDIA_TYPE, /* Content-Type is `value`, parameters left out */
    APP_IF_MEMBER,     /* the body has a member at JSON Pointer `name` (read up to peek_limit) */
};

struct app_condition {
    enum app_condition_kind kind;
    struct str name, value;
};

/* One rule: which requests are which type of operation. First match in the order written. */
struct app_rule {
    struct str operation; /* name of the operation type ("create", "upload") */
    enum app_kind kind;
    struct str method; /* absent: any */
    struct app_template template_;
    struct app_condition *conditions;
    size_t n_conditions;
    const struct app_type *type; /* NULL: a rule of the service itself (meta) */
    int operation_number;        /* in the type's matrix; -1: its operations are not logged */
    int id_segment;              /* app_id_segment of it, kept by app_matcher_compile */
};

enum app_order { APP_ASCENDING, APP_DESCENDING };

/* List answers of a type. Pointers are JSON Pointers (RFC 6901). */
struct app_list {
    struct str array; /* where the array is; absent: lists are not described */
    struct str id;    /* of the identifier in an item; absent: where a create answer has it */
    struct str sort_key, limit_parameter, marker_parameter;
    unsigned order;             /* enum app_order, unless the query says otherwise */
    struct str *sort_by;        /* query parameters that name another member to sort by */
    struct str order_parameter; /* query parameter that is "asc" or "desc"; absent: none */
    struct str next;            /* member that links to the next page; absent: none does */
    struct str *selects;        /* query parameters that select */
    size_t n_sort_by, n_selects;
};

struct app_service;

struct app_type {
    struct str name;
    const struct app_service *service;
    unsigned index; /* over all types of the application */
    struct app_template collection, item;
    struct str id_pointer;        /* of the identifier in a create answer */
    struct str client_id_pointer; /* where a create request may carry it; absent: it may not */
    bool ids_unique;              /* identifiers never repeat between sites */
    struct app_list list;
    bool can_replicate, can_cross;
    bool has_body_carrier;
    struct str path_carrier; /* variable of the item template that may carry "name@scope" */
    struct app_replication replication;
};

/* Shape of Cheops' own errors towards a client of a service: a template with {status}, {reason},
 * {code}, {message}, {hint} (the caret and its line are part of message), written as JSON strings.
 */
struct app_errors {
    struct str content_type; /* absent: application/problem+json */
    struct str body;
};

struct app_matcher; /* compiled rules of a service: app/classify.h */

struct app_service {
    struct str name;
    unsigned index;
    struct str *aliases; /* other names that a scope may use as key */
    size_t n_aliases;
    unsigned usual_port;     /* 0: none */
    struct str prefix;       /* "/identity": a path prefix that recognises it; absent: none */
    struct str host;         /* host name or "*.suffix" that recognises it; absent: none */
    bool checks_credentials; /* credential fields are cut before it (identity) */
    struct app_type *types;
    size_t n_types;
    struct app_rule *rules; /* of the service and its types, in the order written */
    size_t n_rules;
    struct app_reference
        *references; /* of its own operations and all its types; each has them too */
    size_t n_references;
    struct app_errors errors;
    struct app_matcher *matcher;
};

/* Carriers of a scope (scope-lang.md section 5) that need the description. */
struct app_carriers {
    struct str *credential_fields; /* 2: "X-Auth-Token" */
    size_t n_credential_fields;
    struct str *scope_fields; /* 3: fields whose whole value is the scope; removed */
    size_t n_scope_fields;
    char path_separator;          /* 3: of "namespace@scope"; 0: none */
    struct str path_body_pointer; /* 3: the body's member that repeats the path's variable */
    struct str body_pointer;      /* 6 */
    struct str correlation_field; /* 7: absent: none */
    struct str correlation_form;  /* "req-{uuid4}" */
    unsigned correlation_keep_s;
};

/* What is set on the way to a service. */
struct app_propagate {
    struct str *credential_fields; /* those whose suffix is set */
    size_t n_credential_fields;
    bool scope_field, baggage, correlation;
};

struct app {
    struct str name;
    struct str file;
    struct app_service *services;
    size_t n_services;
    unsigned n_types;
    struct app_carriers carriers;
    struct app_propagate propagate;
    struct app_errors errors;  /* default of the services */
    struct str *secret_fields; /* beside credentials: never stored, never part of an operation */
    size_t n_secret_fields;
    uint64_t digest; /* of what peers must agree on, per application (design.md section 5) */
    /* names that a scope may use as keys: services, aliases, types, and "name.type" for each name
     * of a service; for checks */
    struct str *keys;
    size_t n_keys;
};

/* "create", "read", … */
struct str app_kind_name(enum app_kind kind);
/* The service with this name or alias; NULL: none. */
const struct app_service *app_service_find(const struct app *app, struct str name);
/* A type of a service by name; NULL: none. */
const struct app_type *app_type_find(const struct app_service *service, struct str name);

#endif
