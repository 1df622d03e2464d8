/* cheops ca: the certificates that the links between sites are made with. */
#include "ctl/ca.h"
#include "ctl/options.h"
#include "rt/revoked.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DEFAULT_DIR "/etc/cheops/ca"
#define ROOT_DAYS   3650
#define SITE_DAYS   365
#define DAY_S       86400
#define TIME_BYTES  32

struct asked {
    const char *dir;
    unsigned days;
    bool json;
};

#define DIR_OPTION                                                                                 \
    {                                                                                              \
        "dir", CTL_TEXT, offsetof(struct asked, dir), "DIR",                                       \
            "the authority's folder (" DEFAULT_DIR ")"                                             \
    }
#define DAYS_OPTION(text)                                                                          \
    {                                                                                              \
        "days", CTL_NUMBER, offsetof(struct asked, days), "N", text, 1, 36500                      \
    }

/* "2027-11-24T07:51:04Z" */
static const char *print_time(int64_t at, char to[TIME_BYTES])
{
    struct tm tm;
    time_t t = (time_t)at;
    if (!gmtime_r(&t, &tm) || !strftime(to, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(to, TIME_BYTES, "-");
    return to;
}

/* ---- init */

static int run_init(int argc, char **argv)
{
    static const struct ctl_option options[] = {DIR_OPTION,
                                                DAYS_OPTION("how long it is valid (3650)")};
    static const struct ctl_syntax syntax = {
        "ca init",
        "",
        0,
        0,
        options,
        COUNT_OF(options),
        "Makes the authority of a deployment: a private key, and the certificate that all its\n"
        "sites trust. Nothing that is there is overwritten.\n"};
    struct asked asked = {.dir = DEFAULT_DIR, .days = ROOT_DAYS};
    char end[TIME_BYTES];
    struct ctl_args args;
    struct diag d = {0};
    struct ca ca;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    int rc = ca_init(&ca, asked.dir, asked.days, &d);
    if (rc == 0)
        printf("The authority is in %s, valid until %s.\n"
               "  %-8s its certificate: every site gets it\n"
               "  %-8s what is revoked: every site gets it, and a newer one from each other\n"
               "  %-8s its private key: keep it here, and keep it secret\n"
               "`cheops ca issue SITE` makes a site's certificate.\n",
               asked.dir, print_time(ca_cert_end(ca.cert), end), CA_CERTIFICATE, CA_CRL, CA_KEY);
    ca_close(&ca);
    return rc == 0 ? CTL_OK : ctl_fail(&d);
}

/* ---- issue */

static void print_issued(const struct ca *ca, const struct ca_entry *e, const char *before,
                         unsigned days)
{
    char end[TIME_BYTES];
    printf("%s: certificate %s, valid until %s\n"
           "  %s/%s.crt\n  %s/%s.key   keep it secret\n",
           e->site, e->serial, print_time(e->expires, end), ca->dir.path, e->site, ca->dir.path,
           e->site);
    if (e->expires < e->issued + (int64_t)days * DAY_S)
        puts("The authority itself ends then.");
    if (before[0])
        printf("It renews certificate %s, which stays valid until it expires or\n"
               "`cheops ca revoke %s` is run.\n",
               before, before);
}

static int run_issue(int argc, char **argv)
{
    static const struct ctl_option options[] = {DIR_OPTION,
                                                DAYS_OPTION("how long it is valid (365)")};
    static const struct ctl_syntax syntax = {
        "ca issue",
        "SITE",
        1,
        1,
        options,
        COUNT_OF(options),
        "Makes a private key and a certificate for a site, and writes DIR/SITE.key and\n"
        "DIR/SITE.crt. A site that has one gets a new one: it is renewed.\n"};
    struct asked asked = {.dir = DEFAULT_DIR, .days = SITE_DAYS};
    char before[CA_SERIAL_DIGITS + 1] = "";
    struct ctl_args args;
    struct diag d = {0};
    struct ca ca;
    const struct ca_entry *e;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    if (ca_check_site(args.rest[0], &d) < 0)
        return ctl_fail(&d);
    int rc = ca_open(&ca, asked.dir, CA_CHANGE, &d);
    if (rc == 0) {
        const struct ca_entry *old = ca_index_newest(&ca.index, str_of(args.rest[0]));
        if (old && !old->revoked && old->expires > ca.now)
            snprintf(before, sizeof before, "%s", old->serial);
        rc = ca_issue(&ca, args.rest[0], asked.days, &e, &d);
    }
    if (rc == 0)
        print_issued(&ca, e, before, asked.days);
    ca_close(&ca);
    return rc == 0 ? CTL_OK : ctl_fail(&d);
}

/* ---- revoke */

/* How the list comes to the sites. */
static void print_ways(const struct ca *ca, const char *dir)
{
    if (ca->crl_bytes <= RT_REVOKED_BYTES) {
        printf("Copy %s/" CA_CRL " to `peers: crl` of one site, and run `cheops reload` there;\n"
               "the others get it from that one. `cheops sites` shows which list each site has.\n",
               dir);
        return;
    }
    printf("Copy %s/" CA_CRL " to `peers: crl` of EVERY site, and run `cheops reload` at each:\n"
           "it counts nowhere else. `cheops sites` shows which list each site has.\n",
           dir);
    fprintf(stderr,
            "warning: the list has %zu bytes, and sites pass on lists of at most %d: this one does "
            "not travel\n"
            "hint: a new authority begins with an empty list: cheops ca init --dir DIR, and issue "
            "certificates to the sites that are left\n",
            ca->crl_bytes, RT_REVOKED_BYTES);
}

static int run_revoke(int argc, char **argv)
{
    static const struct ctl_option options[] = {DIR_OPTION};
    static const struct ctl_syntax syntax = {
        "ca revoke",
        "SITE|SERIAL",
        1,
        1,
        options,
        COUNT_OF(options),
        "Revokes every certificate of a site, or the one with that serial number, and writes\n"
        "DIR/" CA_CRL " anew, with a higher number. Copy it to one site and run `cheops reload`\n"
        "there: that site tells the others, which take a list that the authority has signed and\n"
        "that is newer, and cut the connections of what it lists. A site that is cut off learns\n"
        "of it when it comes back. A list of more than 24576 bytes, some 650 certificates, does\n"
        "not travel so: a warning says it, and the list has to be copied to every site.\n"};
    struct asked asked = {.dir = DEFAULT_DIR};
    struct ctl_args args;
    size_t count = 0;
    struct diag d = {0};
    struct ca ca;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    int rc = ca_open(&ca, asked.dir, CA_CHANGE, &d);
    if (rc == 0)
        rc = ca_revoke(&ca, str_of(args.rest[0]), &count, &d);
    if (rc == 0 && count)
        printf("%s: %zu certificate%s revoked\n", args.rest[0], count, count == 1 ? "" : "s");
    else if (rc == 0)
        printf("%s: revoked before, nothing is left to revoke\n", args.rest[0]);
    if (rc == 0 && (count || ca.crl_bytes > RT_REVOKED_BYTES))
        print_ways(&ca, asked.dir);
    ca_close(&ca);
    return rc == 0 ? CTL_OK : ctl_fail(&d);
}

/* ---- list */

/* What became of a certificate; "renewed": valid, and the site has a newer one. */
static const char *state_of(const struct ca *ca, const struct ca_entry *e)
{
    if (e->revoked)
        return "revoked";
    if (e->expires <= ca->now)
        return "expired";
    return ca_index_newest(&ca->index, str_of(e->site)) == e ? "valid" : "renewed";
}

static long long days_left(const struct ca *ca, int64_t end)
{
    return (long long)(end > ca->now ? (end - ca->now) / DAY_S : 0);
}

static json_t *json_of(const struct ca *ca, const struct ca_entry *e)
{
    char issued[TIME_BYTES], expires[TIME_BYTES], revoked[TIME_BYTES];
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:s?}", "site", e->site, "serial", e->serial,
                     "state", state_of(ca, e), "issued", print_time(e->issued, issued), "expires",
                     print_time(e->expires, expires), "days_left",
                     (json_int_t)days_left(ca, e->expires), "revoked",
                     e->revoked ? print_time(e->revoked, revoked) : NULL);
}

static int list_json(const struct ca *ca)
{
    char serial[CA_SERIAL_DIGITS + 1], expires[TIME_BYTES];
    int64_t end = ca_cert_end(ca->cert);
    json_t *certificates = json_array();
    ca_cert_serial(ca->cert, serial);
    for (size_t i = 0; i < ca->index.n; i++)
        json_array_append_new(certificates, json_of(ca, &ca->index.entries[i]));
    json_t *j = json_pack("{s:{s:s,s:s,s:I},s:o}", "authority", "serial", serial, "expires",
                          print_time(end, expires), "days_left", (json_int_t)days_left(ca, end),
                          "certificates", certificates);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    json_decref(j);
    if (!text) {
        fputs("cheops: no memory for the list\n", stderr);
        return CTL_FAILED;
    }
    puts(text);
    free(text);
    return CTL_OK;
}

static int list_table(const struct ca *ca)
{
    char time[TIME_BYTES];
    int width = 4;
    for (size_t i = 0; i < ca->index.n; i++) {
        int n = (int)strlen(ca->index.entries[i].site);
        width = n > width ? n : width;
    }
    printf("%-*s  %-*s  %-20s  %-8s\n", width, "SITE", CA_SERIAL_DIGITS, "SERIAL", "EXPIRES",
           "STATE");
    for (size_t i = 0; i < ca->index.n; i++) {
        const struct ca_entry *e = &ca->index.entries[i];
        printf("%-*s  %s  %-20s  %s\n", width, e->site, e->serial, print_time(e->expires, time),
               state_of(ca, e));
    }
    printf("The authority is valid until %s.\n", print_time(ca_cert_end(ca->cert), time));
    return CTL_OK;
}

static int run_list(int argc, char **argv)
{
    static const struct ctl_option options[] = {
        DIR_OPTION, {"json", CTL_FLAG, offsetof(struct asked, json), NULL, "the list as JSON"}};
    static const struct ctl_syntax syntax = {
        "ca list",
        "",
        0,
        0,
        options,
        COUNT_OF(options),
        "Lists every certificate that the authority has issued: valid, renewed (valid, but the\n"
        "site has a newer one), expired or revoked.\n"};
    struct asked asked = {.dir = DEFAULT_DIR};
    struct ctl_args args;
    struct diag d = {0};
    struct ca ca;
    if (!ctl_read(&syntax, argc, argv, &asked, &args))
        return args.status;
    int rc = ca_open(&ca, asked.dir, CA_READ, &d);
    int status = rc < 0 ? ctl_fail(&d) : asked.json ? list_json(&ca) : list_table(&ca);
    ca_close(&ca);
    return status;
}

int ctl_cmd_ca(int argc, char **argv)
{
    static const struct ctl_command commands[] = {
        {"init", run_init, "make an authority"},
        {"issue", run_issue, "make, or renew, a site's certificate"},
        {"revoke", run_revoke, "end the certificates of a site, or one"},
        {"list", run_list, "show what was issued"},
    };
    return ctl_dispatch("cheops ca", commands, COUNT_OF(commands), argc, argv);
}
