#include "base/err.h"

struct err_row {
    const char *name, *text;
    int status, retryable;
};

static const struct err_row rows[ERR_INDEX_COUNT] = {
    [ERR_INDEX_OK] = {"ok", "no error", 200, 0},
#define ERR(symbol, name, status, retryable, text)                                                 \
    [ERR_INDEX_##symbol] = {name, text, status, retryable},
#include "base/err.def"
#undef ERR
};

static const struct err_row unknown = {"unknown", "an error outside the table", 500, 0};

static const struct err_row *row(int code)
{
    if (code > 0 || code <= -ERR_INDEX_COUNT)
        return &unknown;
    return &rows[-code];
}

const char *err_name(int code)
{
    return row(code)->name;
}

const char *err_text(int code)
{
    return row(code)->text;
}

int err_status(int code)
{
    int status = row(code)->status;
    return status ? status : 500;
}

int err_is_retryable(int code)
{
    return row(code)->retryable;
}
