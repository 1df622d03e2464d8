/* GET /v1/configuration: which configuration the daemon runs with, by digests of what it has read.
 */
#include "admin/request.h"

#define CONFIGURATION_BYTES 8192

static void put_digest(struct out *o, const char *name, uint64_t digest)
{
    out_fmt(o, "\"%s\":\"", name);
    out_hex64(o, digest);
    OUT(o, "\"");
}

void admin_get_configuration(struct admin_request *r)
{
    const struct admin_in *in = &r->admin->in;
    const struct cfg *cfg = in->cfg;
    uint64_t read_us = in->reloads->last_us ? in->reloads->last_us : in->started_us;
    char memory[40];
    struct out time;
    if (!admin_body(r, CONFIGURATION_BYTES))
        return;
    out_init(&time, memory, sizeof memory);
    rt_print_time(read_us, &time);
    OUT(&r->body, "{\"file\":");
    out_json(&r->body, cfg->file);
    OUT(&r->body, ",\"site\":");
    out_json(&r->body, cfg->site);
    out_fmt(&r->body, ",\"workers\":%zu,\"read\":\"%.19sZ\",\"digests\":{", in->n_workers, memory);
    put_digest(&r->body, "configuration", cfg->digest);
    OUT(&r->body, ",");
    put_digest(&r->body, "description", cfg->app->digest);
    OUT(&r->body, ",");
    put_digest(&r->body, "certificates", cfg->tls_digest);
    OUT(&r->body, "}}\n");
}
