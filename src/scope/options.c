#include "scope/internal.h"

const struct scope_option_row scope_options[SCOPE_OPTION_COUNT] = {
    [SCOPE_OPTION_PRIME] = {"prime", {NULL}, NULL},
    [SCOPE_OPTION_WAIT] = {"wait", {"one", "majority", "all"}, "one, majority or all"},
    [SCOPE_OPTION_CONSISTENCY] = {"consistency", {"eventual", "strong"}, "eventual or strong"},
    [SCOPE_OPTION_TIMEOUT] = {"timeout", {NULL}, NULL},
    [SCOPE_OPTION_MISSING] = {"missing", {"partial", "fail"}, "partial or fail"},
    [SCOPE_OPTION_AROUND] = {"around", {NULL}, NULL},
};

enum scope_option scope_option_find(struct str name)
{
    int i = 0;
    while (i < SCOPE_OPTION_COUNT && !str_eq(name, str_of(scope_options[i].name)))
        i++;
    return (enum scope_option)i;
}

bool scope_is_site_name(struct str name)
{
    return scope_is_name(name) && !str_eq(name, STR("here")) &&
           scope_option_find(name) == SCOPE_OPTION_COUNT; /* around is among the options */
}
