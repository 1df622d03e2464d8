#include "app/app.h"

struct str app_kind_name(enum app_kind kind)
{
    static const struct str names[APP_KINDS] = {
        [APP_CREATE] = {"create", 6}, [APP_READ] = {"read", 4},     [APP_LIST] = {"list", 4},
        [APP_UPDATE] = {"update", 6}, [APP_DELETE] = {"delete", 6}, [APP_ACTION] = {"action", 6},
        [APP_META] = {"meta", 4},     [APP_STREAM] = {"stream", 6}, [APP_OPAQUE] = {"opaque", 6},
    };
    return kind < APP_KINDS ? names[kind] : STR("opaque");
}

const struct app_service *app_service_find(const struct app *app, struct str name)
{
    for (size_t i = 0; i < app->n_services; i++) {
        const struct app_service *s = &app->services[i];
        if (str_eq(s->name, name))
            return s;
        for (size_t k = 0; k < s->n_aliases; k++)
            if (str_eq(s->aliases[k], name))
                return s;
    }
    return NULL;
}

const struct app_type *app_type_find(const struct app_service *service, struct str name)
{
    for (size_t i = 0; i < service->n_types; i++)
        if (str_eq(service->types[i].name, name))
            return &service->types[i];
    return NULL;
}
