/* cfg/table.h: mappings of a YAML file, read by tables of keys. Internal to cfg.
 *
 * A table says of each key what it takes, its default and a line for the manual. What is read, what
 * an error says is accepted, what `cheops init` writes and the manual's lists of keys all come from
 * it. Keys are read in the order of the table, whatever their order in the file, so that one may
 * refer to those before it.
 *
 *     static const struct yaml_key keys[] = {
 *         {"down", YAML_DURATION, offsetof(struct times, down_ms), .least = 200, .most = 3600000,
 *          .value = "6s", .text = "silence after which a site is down"},
 *     };
 *     static const struct yaml_table table = {"times", keys, COUNT_OF(keys)};
 *     rc = yaml_read(&r, map, &table, &times);
 */
#ifndef CFG_TABLE_H
#define CFG_TABLE_H

#include "base/check.h"
#include "cfg/document.h"

#define YAML_MAX_TEXTS 64 /* of YAML_TEXTS, unless `most` says otherwise */

enum yaml_type {
    YAML_TEXT,      /* struct str; what `check` takes */
    YAML_TEXTS,     /* a list of them: struct str * at `offset`, size_t at `count` */
    YAML_TRUTH,     /* bool: true, false */
    YAML_COUNT,     /* uint64_t */
    YAML_SIZE,      /* uint64_t, bytes, with KiB, MiB, GiB, TiB */
    YAML_DURATION,  /* uint32_t, milliseconds, with ms, s, m, h */
    YAML_CHOICE,    /* unsigned: index among `choices` */
    YAML_CHOICES,   /* a list of them: unsigned, the bits 1 << index */
    YAML_PART,      /* a mapping by `table`, into what stands at `offset` */
    YAML_KEEP,      /* const struct yaml *: a mapping by `table`, or else a text, read later */
    YAML_READ_TEXT, /* a text that `read` takes, */
    YAML_READ_LIST, /* a list; of mappings by `table`, or of nouns */
    YAML_READ_MAP,  /* a mapping from names to mappings by `table` */
    YAML_READ_PART, /* a mapping by `table` */
};

struct yaml_key;
struct yaml_table {
    const char *name; /* of one such mapping, in the singular: "listener" */
    const struct yaml_key *keys;
    size_t n;
};

struct yaml_reader {
    const char *file;
    struct arena *arena;
    struct diag *d;
    void *context;
    const struct yaml_key *key; /* whose value is read */
};

struct yaml_key {
    const char *name;
    enum yaml_type type;
    size_t offset, count;
    uint64_t least, most; /* of numbers; `most` of YAML_TEXTS */
    const char *choices;  /* separated by '|' */
    bool required;
    const char *value;   /* the default as a file says it; NULL: what `text` says */
    const char *example; /* for `cheops init`, where there is no default; of a mapping from names,
                          * the name */
    const char *more;    /* further entries of that example, as they are written */
    bool is_active;      /* `cheops init` writes it not as a comment, as it does required ones */
    const char *noun;    /* what a text is, in the singular: "field name" */
    bool (*check)(struct str text);
    int (*read)(struct yaml_reader *r, const struct yaml *node, void *object);
    const struct yaml_table *table;
    const char *text; /* one line for the manual */
};

/* Reads a mapping into an object, and the defaults of the keys that it has not. Unknown keys are
 * refused with the nearest known one. ERR_CONFIG, ERR_NO_MEMORY. */
int yaml_read(struct yaml_reader *r, const struct yaml *map, const struct yaml_table *table,
              void *object) MUST_USE;
/* Sets the defaults of a mapping that is not there. */
void yaml_defaults(struct yaml_reader *r, const struct yaml_table *table, void *object);

/* For `read` functions: the error that the key takes something else than what stands there. */
int yaml_wrong(struct yaml_reader *r, const struct yaml *node);
/* A scalar of a list, or yaml_wrong. */
int yaml_text(struct yaml_reader *r, const struct yaml *node, struct str *out) MUST_USE;
/* An array of `n` objects, cleared, in the arena; ERR_NO_MEMORY. */
int yaml_array(struct yaml_reader *r, size_t n, size_t size, void *out) MUST_USE;

/* What a key takes: "a time from 50ms to 1m", "safe, always or never". */
void yaml_put_accepted(const struct yaml_key *k, struct out *o);

#endif
