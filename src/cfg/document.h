/* cfg/document.h: YAML files as a tree of nodes that know their line and column. Internal to cfg.
 *
 * The subset that configuration needs: one document of mappings, lists and scalars. Aliases,
 * anchors, tags, merge keys and repeated keys are refused: each is a way to say something other
 * than what a reader of the file sees.
 */
#ifndef CFG_DOCUMENT_H
#define CFG_DOCUMENT_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml {
    enum yaml_kind kind;
    bool is_plain;         /* a scalar without quotes */
    unsigned line, column; /* from 1 */
    struct str text;       /* scalars */
    struct yaml *first;    /* items of a list; keys of a map */
    struct yaml *next;     /* the next item or key */
    struct yaml *value;    /* of a key */
};

/* Parses `text` (the content of `file`, for messages). ERR_CONFIG with position. */
int yaml_parse(struct str text, const char *file, struct arena *a, struct yaml **out,
               struct diag *d) MUST_USE;

/* Sets a diagnostic at a node. Returns ERR_CONFIG. */
int yaml_error(const struct yaml *at, const char *file, struct diag *d, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- mappings by table */

enum yaml_type {
    YAML_TEXT,     /* struct str */
    YAML_TRUTH,    /* bool: true, false */
    YAML_COUNT,    /* uint64_t within least..most */
    YAML_SIZE,     /* uint64_t, bytes, with KiB, MiB, GiB */
    YAML_DURATION, /* uint32_t, milliseconds, with ms, s, m, h */
    YAML_CHOICE,   /* unsigned: index among `choices`, separated by '|' */
    YAML_CUSTOM,   /* read(reader, node, object) */
};

struct yaml_reader {
    const char *file;
    struct arena *arena;
    struct diag *d;
    void *context;
};

struct yaml_key {
    const char *name;
    enum yaml_type type;
    size_t offset; /* of the member in the object; of CUSTOM: 0 */
    uint64_t least, most;
    const char *choices;
    bool required;
    int (*read)(struct yaml_reader *r, const struct yaml *node, void *object);
    const char *text; /* one line for the manual */
};

/* Reads a mapping into an object, as the keys say. Unknown keys are refused with the nearest known.
 */
int yaml_read(struct yaml_reader *r, const struct yaml *map, const struct yaml_key *keys, size_t n,
              void *object) MUST_USE;
/* A scalar, or an error. */
int yaml_text(struct yaml_reader *r, const struct yaml *node, struct str *out) MUST_USE;
/* A list of scalars. */
int yaml_texts(struct yaml_reader *r, const struct yaml *node, struct str **out,
               size_t *n) MUST_USE;
int yaml_expect(struct yaml_reader *r, const struct yaml *node, enum yaml_kind kind) MUST_USE;
size_t yaml_length(const struct yaml *node);
/* Any key of a mapping by name; NULL. */
const struct yaml *yaml_get(const struct yaml *map, struct str key);

#endif
