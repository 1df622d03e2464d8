/* cfg/table.h: mappings of a YAML file read by tables of keys. Internal to cfg. */
#ifndef CFG_TABLE_H
#define CFG_TABLE_H

#include "cfg/document.h"

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

#endif
