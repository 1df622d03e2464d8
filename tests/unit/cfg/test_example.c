/* What `cheops init` writes: it is valid as it is and with every key set, no key is missing, and
 * what it shows as a default is the default. */
#include "unit.h"
#include "certs.h"
#include "cfg/cfg.h"
#include "cfg/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_TEXT (64 * 1024)

static char example[MAX_TEXT];

static void write_file(const char *path, struct str text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
    fclose(file);
}

static struct cfg *read_text(struct str text)
{
    char memory[4096];
    struct diag d = {0};
    struct cfg *c;
    struct out o;
    write_file("cheops.yaml", text);
    if (cfg_read("cheops.yaml", &c, &d) < 0) {
        out_init(&o, memory, sizeof memory);
        cfg_report(&d, &o);
        fail_msg("%.*s", STR_ARG(out_get(&o)));
    }
    return c;
}

static void put_line(struct out *o, struct str line)
{
    if (str_starts(line, STR("application: ")))
        line = STR("application: " SOURCE_DIR "/apps/openstack.yaml");
    out_str(o, line);
    out_char(o, '\n');
}

/* The example, with the application of the source tree; `all`: with every key set. */
static struct str make(char *memory, bool all)
{
    struct str text = str_of(example), line;
    struct out o;
    out_init(&o, memory, MAX_TEXT);
    while (str_split(&text, '\n', &line) && (text.p || line.n)) {
        ptrdiff_t sign = str_find(line, '#');
        bool is_key = sign >= 0 && str_trim(str_sub(line, 0, (size_t)sign)).n == 0 &&
                      line.n > (size_t)sign + 1 && line.p[sign + 1] != ' ';
        if (all && is_key) {
            out_str(&o, str_sub(line, 0, (size_t)sign));
            line = str_from(line, (size_t)sign + 1);
        }
        if (all && str_starts(str_trim(line), STR("url: ")))
            line = STR("    url: https://127.0.0.1:15000");
        put_line(&o, line);
    }
    assert_false(o.overflowed);
    return out_get(&o);
}

static void test_as_it_is(void **state)
{
    static char memory[MAX_TEXT];
    struct cfg *c = read_text(make(memory, false));
    assert_str(c->site, "Lyon");
    assert_int_equal(c->n_warnings, 0);
    assert_int_equal(c->n_listeners, 2);
    assert_false(c->peers.is_on);
    assert_null(c->admin_group.p); /* cheops, if there is such a group */
    const struct app_service *image = app_service_find(c->app, STR("image"));
    assert_non_null(cfg_instance_of(c, image));
    assert_true(cfg_instance_of(c, image)->credential_checks_pass);
    cfg_unref(&c);
}

/* Setting a key to what is shown as its default changes nothing. */
static void test_every_key_set(void **state)
{
    static char some[MAX_TEXT], all[MAX_TEXT];
    struct cfg *c = read_text(make(all, true)), *standard = read_text(make(some, false));
    assert_true(c->peers.is_on);
    assert_non_null(c->peers.server);
    assert_non_null(c->listeners[0].tls);
    assert_int_equal(c->workers, 2);
    assert_int_equal(c->n_sites, 2);
    assert_true(c->sites[1].lists_services);
    assert_memory_equal(&c->timeouts, &standard->timeouts, sizeof c->timeouts);
    assert_memory_equal(&c->limits, &standard->limits, sizeof c->limits);
    assert_str(c->admin_group, "cheops");
    cfg_unref(&c);
    cfg_unref(&standard);
}

static void test_defaults_are_those_of_the_files(void **state)
{
    static char memory[MAX_TEXT];
    struct cfg *c = read_text(make(memory, false));
    assert_int_equal(c->timeouts.client_idle_ms, 75000);
    assert_int_equal(c->timeouts.stream_idle_ms, 3600000);
    assert_int_equal(c->limits.head, 16384);
    assert_int_equal(c->limits.body, 0);
    assert_int_equal(c->limits.fields, 100);
    cfg_unref(&c);
}

static bool has_key_line(struct str name)
{
    struct str text = str_of(example), line;
    while (str_split(&text, '\n', &line)) {
        while (line.n && strchr(" #-", line.p[0]))
            line = str_from(line, 1);
        if (str_starts(line, name) && line.n > name.n && line.p[name.n] == ':')
            return true;
    }
    return false;
}

static size_t count_keys(const struct yaml_table *table)
{
    size_t n = 0;
    for (size_t i = 0; i < table->n; i++) {
        const struct yaml_key *k = &table->keys[i];
        if (!has_key_line(str_of(k->name)))
            fail_msg("the key '%s' of a %s is not in the example", k->name, table->name);
        n += 1 + (k->table ? count_keys(k->table) : 0);
    }
    return n;
}

static void test_no_key_is_missing(void **state)
{
    size_t lines = 0;
    struct str text = str_of(example), line;
    while (str_split(&text, '\n', &line)) {
        struct str t = str_trim(line);
        lines += t.n && !str_starts(t, STR("# "));
    }
    /* Beside the keys: the names of a service and of a site, and an entry more of two lists. */
    assert_int_equal(lines, count_keys(&cfg_site_table) + 4);
}

static int set_up(void **state)
{
    static char folder[] = "/tmp/cheops-test-XXXXXX";
    struct certs_ca ca;
    struct out o;
    if (!mkdtemp(folder) || chdir(folder) < 0 || mkdir("tls", 0700) < 0)
        return -1;
    certs_ca_init(&ca, "tls", "ca");
    certs_issue(&ca, "site", "DNS:localhost");
    certs_issue(&ca, "cert", "DNS:localhost");
    certs_issue(&ca, "other", "DNS:localhost");
    certs_revoke(&ca, "crl", 0);
    certs_ca_fini(&ca);
    out_init(&o, example, sizeof example - 1);
    cfg_write_example(&o, STR("Lyon"));
    *state = folder;
    return o.overflowed || rename("tls/cert.key", "tls/key.pem") < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"tls/ca.pem",    "tls/site.pem",  "tls/site.key",
                                        "tls/cert.pem",  "tls/key.pem",   "tls/crl.pem",
                                        "tls/other.pem", "tls/other.key", "cheops.yaml"};
    for (size_t i = 0; i < COUNT_OF(files); i++)
        unlink(files[i]);
    return rmdir("tls") < 0 || chdir("/") < 0 ? -1 : rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_it_is),
                                       cmocka_unit_test(test_every_key_set),
                                       cmocka_unit_test(test_defaults_are_those_of_the_files),
                                       cmocka_unit_test(test_no_key_is_missing)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
