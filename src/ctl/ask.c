#include "ctl/ask.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than CTL_ANSWER_MAX is refused: curl ends the transfer when less is taken than it gives. */
static size_t take(char *data, size_t size, size_t n, void *context)
{
    struct ctl_answer *a = context;
    if (n > CTL_ANSWER_MAX - a->n)
        return 0;
    char *text = realloc(a->text, a->n + n + 1);
    if (!text)
        return 0;
    memcpy(text + a->n, data, n);
    a->text = text;
    a->n += n;
    a->text[a->n] = 0;
    (void)size; /* always 1 */
    return n;
}

struct question {
    const char *socket, *path;
    unsigned ms; /* for the whole answer */
    bool is_post;
};

static int failed(CURL *c, CURLcode code, const struct question *q, const char *why, struct diag *d)
{
    const char *socket = q->socket;
    long error = 0;
    curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &error);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return diag_set(d, ERR_SYSTEM, "cheopsd does not answer at %s within %u s", socket,
                        q->ms / 1000);
    if (code == CURLE_WRITE_ERROR)
        return diag_set(d, ERR_LIMIT, "the answer at %s has more than %d bytes", socket,
                        CTL_ANSWER_MAX);
    int rc = diag_set(d, error == EACCES ? ERR_FORBIDDEN : ERR_SYSTEM,
                      "cheopsd cannot be asked at %s: %s", socket,
                      error    ? strerror((int)error)
                      : why[0] ? why
                               : curl_easy_strerror(code));
    if (error == EACCES)
        diag_hint(d, "be root, or in the group that `admin: group` of its configuration names");
    else if (error == ENOENT || error == ECONNREFUSED)
        diag_hint(d, "is cheopsd running? --admin says where its socket is, which is `admin: "
                     "socket` of its configuration");
    return rc;
}

/* Nothing of the environment (a proxy) has a say in how the socket is asked. */
static bool set_up(CURL *c, const struct question *q, const char *url, char *why,
                   struct ctl_answer *out)
{
    return curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, q->socket) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)q->ms) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, out) == CURLE_OK;
}

static int perform(CURL *c, const struct question *q, const char *url, struct ctl_answer *out,
                   struct diag *d)
{
    char why[CURL_ERROR_SIZE] = "";
    const char *type = NULL;
    if (!set_up(c, q, url, why, out))
        return diag_set(d, ERR_SYSTEM, "libcurl cannot ask a Unix socket");
    CURLcode code = curl_easy_perform(c);
    if (code != CURLE_OK)
        return failed(c, code, q, why, d);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &out->status);
    curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
    out->is_json = type && strncmp(type, "application/json", 16) == 0;
    return 0;
}

/* What the admin API itself refuses: {"error": "there is no such route", …}. */
static int judge(const struct ctl_answer *a, struct diag *d)
{
    if (a->n == 0)
        return diag_set(d, ERR_INVALID, "cheopsd answers %ld without a word", a->status);
    if (a->status == 200 || !a->is_json)
        return 0;
    json_t *j = json_loadb(a->text, a->n, 0, NULL);
    const char *why = json_string_value(json_object_get(j, "error"));
    const char *hint = json_string_value(json_object_get(j, "hint"));
    int rc = why ? diag_set(d, ERR_INVALID, "cheopsd answers %ld: %s", a->status, why) : 0;
    if (rc && hint && hint[0])
        diag_hint(d, "%s", hint);
    json_decref(j);
    return rc;
}

static bool set_method(CURL *c, bool is_post)
{
    return !is_post || (curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
                        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, 0L) == CURLE_OK);
}

static int ask(const struct question *q, struct ctl_answer *out, struct diag *d)
{
    *out = (struct ctl_answer){0};
    size_t size = strlen(q->path) + 32;
    char *url = malloc(size);
    CURL *c = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL;
    int rc = c && url && set_method(c, q->is_post)
                 ? 0
                 : diag_set(d, ERR_NO_MEMORY, "no memory to ask cheopsd");
    if (rc == 0) {
        snprintf(url, size, "http://cheops%s", q->path);
        rc = perform(c, q, url, out, d);
    }
    if (rc == 0)
        rc = judge(out, d);
    if (rc < 0)
        ctl_answer_fini(out);
    curl_easy_cleanup(c);
    curl_global_cleanup();
    free(url);
    return rc;
}

int ctl_ask(const char *socket, const char *path, struct ctl_answer *out, struct diag *d)
{
    return ctl_ask_within(socket, path, CTL_ASK_MS, out, d);
}

int ctl_ask_within(const char *socket, const char *path, unsigned ms, struct ctl_answer *out,
                   struct diag *d)
{
    return ask(&(struct question){socket, path, ms, false}, out, d);
}

int ctl_tell(const char *socket, const char *path, struct ctl_answer *out, struct diag *d)
{
    return ask(&(struct question){socket, path, CTL_ASK_MS, true}, out, d);
}

void ctl_answer_fini(struct ctl_answer *a)
{
    free(a->text);
    *a = (struct ctl_answer){0};
}
