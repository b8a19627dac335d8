/* rsvpd health: asks the admin port of a running service. */
#include "rsvpd/app/health_command.h"
#include "rsvpd/app/command.h"
#include "rsvpd/base/text.h"
#include "rsvpd/store/fetch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIMEOUT_MS = 3000,
    ANSWER_SIZE_MAX_BYTES = 4096,
    FINDING_SIZE_BYTES = 160,
    WORD_SIZE_MAX_BYTES = 32, /* of the words that the answer is made of */
    URL_SIZE_BYTES = 128,
};

const char health_help[] =
    "usage: rsvpd health [--ready]\n\n"
    "Asks the admin port of the service that runs with the same ADMIN_PORT and\n"
    "ADMIN_BIND_ADDRESS, for at most 3 s, whether it is alive (/livez), or with --ready whether\n"
    "it can serve (/readyz). Needs no other variable, and no shell: for health checks of\n"
    "containers.\n"
    "Exit status: 0 it is, 1 it is not or does not answer, 2 where an argument or a variable is\n"
    "wrong.\n";

struct check {
    uv_loop_t loop;
    bool good;
    char finding[FINDING_SIZE_BYTES]; /* for people */
};

/* Adds the words under two names of an object, as far as they are words: whatever listens on that
 * port may have sent them. False where there is no such word. */
static bool add_words(struct text *finding, const json_t *line, const char *first,
                      const char *second)
{
    const char *names[] = {first, second};
    for (size_t i = 0; i < 2 && names[i] != NULL; i++) {
        const char *word = json_string_value(json_object_get(line, names[i]));
        size_t size = word == NULL ? 0 : strlen(word);
        if (size == 0 || size > WORD_SIZE_MAX_BYTES ||
            strspn(word, "abcdefghijklmnopqrstuvwxyz") != size) {
            return false;
        }
        text_add_cstr(finding, i == 0 ? "" : " ");
        text_add_cstr(finding, word);
    }
    return true;
}

/* Reads an answer: {"status":"ready"}, and a line {"dependency":"redis","status":"up"} for each
 * dependency. False where it is no answer of rsvpd. */
static bool read_answer(struct slice answer, struct text *finding)
{
    bool valid = true, first = true;
    for (struct slice rest = answer; valid && rest.size > 0; first = false) {
        struct slice line = slice_cut(&rest, '\n');
        json_t *value = json_loadb(line.data, line.size, 0, NULL);
        text_add_cstr(finding, first ? "" : ", ");
        valid = first ? add_words(finding, value, "status", NULL)
                      : add_words(finding, value, "dependency", "status");
        json_decref(value);
    }
    return valid && !first;
}

static void on_answer(void *check_, struct slice answer, const char *reason)
{
    struct check *check = check_;
    struct text finding = text_over(check->finding, sizeof check->finding - 1);
    bool known = answer.data != NULL && read_answer(answer, &finding) && !finding.truncated;
    check->good = known && reason == NULL;
    check->finding[finding.size] = '\0';
    if (!known) {
        snprintf(check->finding, sizeof check->finding, "%s",
                 reason != NULL ? reason : "what answers there is not rsvpd");
    }
    uv_stop(&check->loop);
}

/* Asks, and waits for the answer. */
static void ask(struct check *check, const char *url)
{
    snprintf(check->finding, sizeof check->finding, "not enough memory or descriptors");
    if (uv_loop_init(&check->loop) != 0) {
        return;
    }
    struct fetch *fetch = fetch_create(&(struct fetch_setup){.loop = &check->loop,
                                                             .size_max = ANSWER_SIZE_MAX_BYTES,
                                                             .timeout_ms = TIMEOUT_MS,
                                                             .done = on_answer,
                                                             .owner = check});
    if (fetch != NULL && fetch_begin(fetch, url)) {
        uv_run(&check->loop, UV_RUN_DEFAULT);
    }
    fetch_destroy(&fetch);
    uv_run(&check->loop, UV_RUN_DEFAULT); /* what was closed */
    int closed = uv_loop_close(&check->loop);
    assert(closed == 0);
    (void)closed;
}

/* A service that listens on all addresses is asked on loopback. */
static const char *address_to_ask(const char *bind_address)
{
    struct in6_addr six;
    if (strcmp(bind_address, "0.0.0.0") == 0) {
        return "127.0.0.1";
    }
    bool all = inet_pton(AF_INET6, bind_address, &six) == 1 && IN6_IS_ADDR_UNSPECIFIED(&six);
    return all ? "::1" : bind_address;
}

static int ask_admin(const struct config *config, bool ready)
{
    static struct check check;
    char url[URL_SIZE_BYTES], what[URL_SIZE_BYTES + 16];
    const char *address = address_to_ask(config->admin_bind_address);
    bool six = strchr(address, ':') != NULL;
    snprintf(url, sizeof url, "http://%s%s%s:%" PRId64 "/%s?verbose", six ? "[" : "", address,
             six ? "]" : "", config->admin_port, ready ? "readyz" : "livez");
    ask(&check, url);
    if (!check.good) {
        snprintf(what, sizeof what, "%.*s", (int)strcspn(url, "?"), url);
        return command_failed(what, check.finding);
    }
    puts(check.finding);
    return command_finish_output(EXIT_SUCCESS);
}

int health_command(int argc, char **argv)
{
    bool ready = false;
    struct config config;
    const struct command_option options[] = {{"--ready", NULL, &ready}};
    int status = command_read_options("health", argc, argv, options, 1, NULL);
    if (status != EXIT_SUCCESS) {
        return status;
    }
    status = command_load_admin(&config);
    if (status == EXIT_SUCCESS) {
        status = ask_admin(&config, ready);
    }
    config_free(&config);
    return status;
}
