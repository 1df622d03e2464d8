/* Applications to replicate, small enough to be compared whole, each with what a description says
 * of it: the model that what a replica runs is tested with. */
#ifndef MODEL_H
#define MODEL_H

#include "op/run.h"

#define MODEL_CELLS 8
#define MODEL_TYPES 6

/* The resource in one application. */
struct model_state {
    bool exists;
    int cells[MODEL_CELLS];
};

/* What an operation carries. */
struct model_body {
    int cell, value;
    struct model_state state; /* of a snapshot */
};

enum model_result { MODEL_OK = 200, MODEL_MISSING = 404, MODEL_CONFLICT = 409 };

struct model_type {
    struct op_type effects;
    void (*run)(struct model_state *s, const struct model_body *b); /* on what is there */
    bool is_once; /* refused when it has been run: cells[0] is set */
};

/* An application and a matrix. */
struct model {
    const char *name;
    struct model_type types[MODEL_TYPES];
    size_t n_types;
    struct op_pair pairs[24];
    size_t n_pairs;
    bool can_remake, can_transfer, transfer_makes;
    bool cannot_find; /* a create without an answer is not found again */
    bool converges;   /* no history ends diverged */
};

extern const struct model models[];
extern const size_t n_models;

/* Sends an operation to the application; refused ones change nothing. */
enum model_result model_run(const struct model *m, struct model_state *s, unsigned type,
                            const struct model_body *b);
int model_make_matrix(const struct model *m, struct arena *arena, struct op_matrix *out,
                      struct diag *d);

#endif
