/* A site's configuration, with a description that is given: refused with a place, or whole. */
#include "fuzz.h"
#include "file_input.h"

static const char description[] = "application: shop\n"
                                  "carriers: {credentials: [X-Auth-Token]}\n"
                                  "propagate: {credentials: [X-Auth-Token]}\n"
                                  "services:\n"
                                  "  identity: {aliases: [keystone], checks_credentials: true}\n"
                                  "  image: {prefix: /image}\n";

static void check_snapshot(const struct cfg *c)
{
    CHECK(c->site.n > 0 && c->n_listeners > 0);
    CHECK(c->self < c->n_sites && str_eq(c->sites[c->self].name, c->site));
    for (size_t i = 0; i < c->n_sites; i++) {
        CHECK(cfg_site_find(c, c->sites[i].name) == (long)i);
        CHECK((c->sites[i].address == NULL) == (i == c->self));
        CHECK(i == 0 || str_cmp(c->sites[i - 1].name, c->sites[i].name) < 0);
    }
    for (size_t i = 0; i < c->app->n_services; i++) {
        const struct cfg_instance *instance = cfg_instance_of(c, &c->app->services[i]);
        CHECK(!instance || (instance->name && instance->index == i));
    }
    CHECK(c->timeouts.connect_ms > 0 && c->limits.head > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct file_input file = {.fd = -1}, app;
    struct cfg *c;
    struct diag d = {0};
    if (file.fd < 0) {
        file_input_open(&file);
        file_input_open(&app);
        file_input_set(&app, description, sizeof description - 1);
    }
    file_input_set(&file, data, size);
    int rc = cfg_read_with(file.path, app.path, &c, &d);
    file_input_check(&file, rc, &d, size);
    CHECK((rc == 0) == (c != NULL));
    if (c)
        check_snapshot(c);
    cfg_unref(&c);
    return 0;
}
