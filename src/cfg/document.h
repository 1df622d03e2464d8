/* cfg/document.h: YAML files as a tree of nodes that know their place. Internal to cfg.
 *
 * The subset that configuration needs: one document of mappings, lists and scalars, in UTF-8.
 * Aliases, anchors, tags, merge keys and repeated keys are refused: each is a way to say something
 * other than what a reader of the file sees. A tree is at most YAML_MAX_DEPTH deep, a mapping or
 * list has at most YAML_MAX_LENGTH entries.
 */
#ifndef CFG_DOCUMENT_H
#define CFG_DOCUMENT_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"

#define YAML_MAX_DEPTH  32
#define YAML_MAX_LENGTH 4096

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml {
    enum yaml_kind kind;
    bool is_plain;         /* a scalar without quotes */
    unsigned line, column; /* from 1, in characters */
    size_t offset, bytes;  /* where it stands in the text; of lists and mappings bytes is 0 */
    struct str text;       /* of scalars */
    struct yaml *first;    /* items of a list; keys of a mapping */
    struct yaml *next;     /* the next item or key */
    struct yaml *value;    /* of a key */
    size_t length;         /* number of items or keys */
};

/* Parses `text` (the content of `file`, for messages). ERR_CONFIG with the place, ERR_NO_MEMORY. */
int yaml_parse(struct str text, const char *file, struct arena *a, struct yaml **out,
               struct diag *d) MUST_USE;

/* Sets a diagnostic at a node. Returns ERR_CONFIG. */
int yaml_error(const struct yaml *at, const char *file, struct diag *d, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A key of a mapping by name; NULL: it has none. */
const struct yaml *yaml_get(const struct yaml *map, struct str key);
/* A scalar that stands for no value: empty, null or ~ without quotes. */
bool yaml_is_nothing(const struct yaml *node);

#endif
