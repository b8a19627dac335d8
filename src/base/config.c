/* The configuration: one table, and how it is read. */
#include "rsvpd/base/config.h"
#include "rsvpd/base/cidr.h"
#include "rsvpd/base/jwt.h"
#include "rsvpd/base/origin_list.h"
#include "rsvpd/base/pair_list.h"
#include "rsvpd/base/rate.h"
#include "rsvpd/base/trace.h"
#include "rsvpd/base/webhook.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUOTED_SIZE_BYTES = 64 };

static const char *check_jwt_secret(const char *value)
{
    return strlen(value) >= JWK_SECRET_SIZE_MIN_BYTES
               ? NULL
               : "is shorter than the 32 bytes that HS256 "
                 "needs; 'openssl rand -base64 32' makes one";
}

static const char *check_algorithms(const char *value)
{
    unsigned algorithms;
    return jwt_algorithms_parse(slice_of(value), &algorithms)
               ? NULL
               : "is not a list of RS256, PS256, ES256, EdDSA and HS256, separated by commas";
}

static const char *check_rate(const char *value)
{
    struct rate rate;
    return rate_parse(slice_of(value), &rate) ? NULL : "is not " RATE_RULE;
}

static const char *check_share(const char *value)
{
    double share;
    return trace_share_parse(slice_of(value), &share) ? NULL : "is not " TRACE_SHARE_RULE;
}

static const char *check_relay_secret(const char *value)
{
    struct webhook_secrets secrets;
    return webhook_secrets_parse(slice_of(value), &secrets) ? NULL : "is not " WEBHOOK_SECRET_RULE;
}

/* As PostgreSQL has them, which takes longer names for shorter ones. */
static const char *check_slot(const char *value)
{
    size_t size = strlen(value);
    return size <= 63 && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_") == size
               ? NULL
               : "is not a name of at most 63 characters out of a-z, 0-9 and _";
}

/* Credentials in it would be printed with it. */
static const char *check_endpoint(const char *value)
{
    const char *host = strncmp(value, "http://", 7) == 0    ? value + 7
                       : strncmp(value, "https://", 8) == 0 ? value + 8
                                                            : "";
    bool plain = strpbrk(value, "@ \t\r\n") == NULL;
    return *host != '\0' && *host != '/' && plain
               ? NULL
               : "is not an http or https URL without a user, such as http://collector:4318";
}

static const char *check_relay_target(const char *value)
{
    return strcmp(value, "-") == 0 || check_endpoint(value) == NULL
               ? NULL
               : "is neither - for standard output nor a URL without a user, such as "
                 "https://example.org/changes";
}

static const char *check_pairs(const char *value)
{
    char decoded[PAIR_VALUE_SIZE_MAX_BYTES];
    struct slice rest = slice_of(value), key;
    size_t size, pairs = 0;
    bool malformed, plain = true;
    while (pair_list_next(&rest, &key, decoded, &size, &malformed)) {
        pairs++;
        plain = plain && memchr(decoded, '\r', size) == NULL &&
                memchr(decoded, '\n', size) == NULL && memchr(decoded, '\0', size) == NULL;
    }
    return malformed || pairs == 0 ? "is not a list of key=value with commas between them, whose "
                                     "values are percent-encoded and have at most 1024 bytes"
           : !plain                ? "has a line end in a value"
                                   : NULL;
}

/* The collector's fields go into a head. */
static const char *check_headers(const char *value)
{
    char decoded[PAIR_VALUE_SIZE_MAX_BYTES];
    struct slice rest = slice_of(value), key;
    const char *problem = check_pairs(value);
    size_t size;
    bool malformed;
    while (problem == NULL && pair_list_next(&rest, &key, decoded, &size, &malformed)) {
        for (size_t i = 0; i < key.size && problem == NULL; i++) {
            bool good = key.data[i] > ' ' && key.data[i] < 0x7f && key.data[i] != ':';
            problem = good ? NULL : "has a key that is no name of a header field";
        }
    }
    return problem;
}

static const char *check_attributes(const char *value)
{
    return strlen(value) > TRACE_ATTRIBUTES_SIZE_MAX_BYTES ? "has more than 4096 bytes"
                                                           : check_pairs(value);
}

static const char *check_service_name(const char *value)
{
    return strlen(value) > TRACE_NAME_SIZE_MAX_BYTES ? "has more than 256 bytes" : NULL;
}
static_assert(TRACE_ATTRIBUTES_SIZE_MAX_BYTES == 4096 && TRACE_NAME_SIZE_MAX_BYTES == 256,
              "the words say so");

/* clang-format off */
#define AT(member) offsetof(struct config, member)
const struct config_option config_options[] = {
    {.name = "DATABASE_URL", .type = OPTION_STRING, .offset = AT(database_url), .required = true, .secret = true,
     .file_offset = AT(database_url_file),
     .help = "PostgreSQL: a libpq URI, several hosts allowed; PG* variables are honoured"},
    {.name = "DATABASE_READ_URL", .type = OPTION_STRING, .offset = AT(database_read_url), .secret = true,
     .file_offset = AT(database_read_url_file), .default_shown = "none",
     .help = "a streaming replica of it: a libpq URI, several hosts allowed. Answers look-ups and lists while it shows all that "
             "was acknowledged, else the primary does"},
    {.name = "REDIS_URL", .type = OPTION_STRING, .offset = AT(redis_url), .secret = true,
     .file_offset = AT(redis_url_file), .default_shown = "none",
     .help = "Redis: redis://[user:password@]host:port/db, rediss:// for TLS, "
             "redis+sentinel://[user:password@]host:port,host:port/name/db to ask sentinels, or unix:///path; "
             "without it counts come from PostgreSQL through the in-process cache"},
    {.name = "REDIS_TLS_CA_FILE", .type = OPTION_STRING, .offset = AT(redis_tls_ca_file), .default_shown = "the system's",
     .names_file = true, .help = "certificates (PEM) of the authorities that a Redis behind rediss:// is trusted by"},
    {.name = "REDIS_TLS_CERT_FILE", .type = OPTION_STRING, .offset = AT(redis_tls_cert_file), .default_shown = "none",
     .names_file = true, .help = "the client's own certificate (PEM), where Redis wants one"},
    {.name = "REDIS_TLS_KEY_FILE", .type = OPTION_STRING, .offset = AT(redis_tls_key_file), .default_shown = "none",
     .names_file = true, .help = "the key of REDIS_TLS_CERT_FILE (PEM, without a passphrase)"},
    {.name = "PORT", .type = OPTION_INTEGER, .offset = AT(port), .default_value = "8080", .min = 1, .max = 65535,
     .help = "TCP port of the public API"},
    {.name = "BIND_ADDRESS", .type = OPTION_ADDRESS, .offset = AT(bind_address), .default_value = "127.0.0.1",
     .help = "address of the public API"},
    {.name = "ADMIN_PORT", .type = OPTION_INTEGER, .offset = AT(admin_port), .default_value = "9090", .min = 1, .max = 65535,
     .help = "TCP port of metrics and health"},
    {.name = "ADMIN_BIND_ADDRESS", .type = OPTION_ADDRESS, .offset = AT(admin_bind_address), .default_value = "127.0.0.1",
     .help = "address of metrics and health"},
    {.name = "WORKERS", .type = OPTION_INTEGER, .offset = AT(workers), .default_value = "", .min = 1, .max = CONFIG_WORKERS_MAX,
     .default_shown = "number of processors", .help = "event loops"},
    {.name = "REQUEST_DEADLINE_MS", .type = OPTION_INTEGER, .offset = AT(request_deadline_ms), .default_value = "2000",
     .min = 50, .max = 60000, .help = "every request is answered within this time"},
    {.name = "KEEPALIVE_TIMEOUT_MS", .type = OPTION_INTEGER, .offset = AT(keepalive_timeout_ms), .default_value = "75000",
     .min = 1000, .max = 3600000,
     .help = "how long a connection may wait for a further request; longer than in the load balancer in front"},
    {.name = "MAX_CONNECTIONS", .type = OPTION_INTEGER, .offset = AT(max_connections), .default_value = "10000",
     .min = 1, .max = 1000000, .help = "client connections per process, besides streams; past it clients are refused, not queued"},
    {.name = "MAX_CONNECTIONS_PER_ADDRESS", .type = OPTION_INTEGER, .offset = AT(max_connections_per_address),
     .default_value = "0", .min = 0, .max = 1000000,
     .help = "client connections per process from one address; 0 sets no limit, as behind a load balancer"},
    {.name = "MAX_PENDING", .type = OPTION_INTEGER, .offset = AT(max_pending), .default_value = "20000",
     .min = CONFIG_PENDING_PER_WORKER_MIN, .max = 1000000,
     .help = "requests waiting for a store, per process, shared out among the workers; past it requests are refused, not queued"},
    {.name = "MAX_STREAMS", .type = OPTION_INTEGER, .offset = AT(max_streams), .default_value = "10000",
     .min = 0, .max = 1000000,
     .help = "open streams of counts, per process; past it streams are refused. They are not among MAX_CONNECTIONS"},
    {.name = "PG_WRITE_CONNECTIONS", .type = OPTION_INTEGER, .offset = AT(pg_write_connections), .default_value = "2",
     .min = 1, .max = CONFIG_PG_CONNECTIONS_MAX, .help = "PostgreSQL connections for writes, per worker"},
    {.name = "PG_READ_CONNECTIONS", .type = OPTION_INTEGER, .offset = AT(pg_read_connections), .default_value = "2",
     .min = 1, .max = CONFIG_PG_CONNECTIONS_MAX, .help = "PostgreSQL connections for reads, per worker"},
    {.name = "COUNT_LOCAL_TTL_MS", .type = OPTION_INTEGER, .offset = AT(count_local_ttl_ms), .default_value = "1000",
     .min = 0, .max = CONFIG_COUNT_TTL_SUM_MAX_MS, .help = "how long a process serves a count from its own memory"},
    {.name = "COUNT_REDIS_TTL_MS", .type = OPTION_INTEGER, .offset = AT(count_redis_ttl_ms), .default_value = "2500",
     .min = 1, .max = CONFIG_COUNT_TTL_SUM_MAX_MS,
     .help = "how long a count lives in Redis; the two together are at most 3500"},
    {.name = "AUTH_MODE", .type = OPTION_CHOICE, .offset = AT(auth_mode), .default_value = "none", .choices = "none token",
     .help = "none: callers are trusted to name the user; token: every request shows who sends it"},
    {.name = "AUTH_ALLOW_INSECURE", .type = OPTION_CHOICE, .offset = AT(auth_allow_insecure), .default_value = "false",
     .choices = "false true",
     .help = "with AUTH_MODE=none: serve on an address that is not loopback, on a network that only trusted services reach"},
    {.name = "AUTH_JWT_ALGORITHMS", .type = OPTION_STRING, .offset = AT(auth_jwt_algorithms), .check = check_algorithms,
     .default_value = "RS256,ES256",
     .help = "algorithms of tokens, separated by commas: RS256, PS256, ES256, EdDSA of a key set, HS256 of a secret"},
    {.name = "AUTH_JWKS_URL", .type = OPTION_STRING, .offset = AT(auth_jwks_url), .default_shown = "none",
     .help = "where the keys of tokens are read: https, or http to loopback"},
    {.name = "AUTH_JWKS_FILE", .type = OPTION_STRING, .offset = AT(auth_jwks_file), .default_shown = "none", .names_file = true,
     .help = "a file with the keys of tokens instead, read again on SIGHUP"},
    {.name = "AUTH_JWKS_REFRESH_S", .type = OPTION_INTEGER, .offset = AT(auth_jwks_refresh_s), .default_value = "300",
     .min = 10, .max = 86400, .help = "how often the keys are read from AUTH_JWKS_URL"},
    {.name = "AUTH_JWT_SECRET", .type = OPTION_STRING, .offset = AT(auth_jwt_secret), .secret = true,
     .file_offset = AT(auth_jwt_secret_file), .default_shown = "none", .check = check_jwt_secret,
     .help = "the key of HS256 tokens, at least 32 bytes"},
    {.name = "AUTH_JWT_ISSUER", .type = OPTION_STRING, .offset = AT(auth_jwt_issuer), .default_shown = "none",
     .help = "the iss that tokens must have"},
    {.name = "AUTH_JWT_AUDIENCE", .type = OPTION_STRING, .offset = AT(auth_jwt_audience), .default_shown = "none",
     .help = "the aud that tokens must have, alone or among others"},
    {.name = "AUTH_JWT_LEEWAY_S", .type = OPTION_INTEGER, .offset = AT(auth_jwt_leeway_s), .default_value = "30",
     .min = 0, .max = 300, .help = "how far the clock of whoever makes tokens may differ"},
    {.name = "AUTH_OPEN_COUNTS", .type = OPTION_CHOICE, .offset = AT(auth_open_counts), .default_value = "true",
     .choices = "false true", .help = "counts want no token"},
    {.name = "AUTH_OPEN_LISTINGS", .type = OPTION_CHOICE, .offset = AT(auth_open_listings), .default_value = "true",
     .choices = "false true", .help = "any token may list who is going; else rsvp:read"},
    {.name = "RATE_LIMIT_USER", .type = OPTION_STRING, .offset = AT(rate_limit_user), .check = check_rate,
     .file_offset = AT(rate_limit_user_file),
     .default_value = "off",
     .help = "requests of one user: off, or N/S for N requests in S seconds with bursts up to N"},
    {.name = "RATE_LIMIT_KEY", .type = OPTION_STRING, .offset = AT(rate_limit_key), .check = check_rate,
     .file_offset = AT(rate_limit_key_file),
     .default_value = "off",
     .help = "requests with one API key: off, or N/S"},
    {.name = "RATE_LIMIT_ADDRESS", .type = OPTION_STRING, .offset = AT(rate_limit_address), .check = check_rate,
     .file_offset = AT(rate_limit_address_file),
     .default_value = "off",
     .help = "requests from one client address (IPv6: one /64): off, or N/S"},
    {.name = "TRUSTED_PROXIES", .type = OPTION_STRING, .offset = AT(trusted_proxies), .default_shown = "none",
     .help = "proxies that are believed who their client is: addresses and CIDRs, separated by commas"},
    {.name = "CORS_ORIGINS", .type = OPTION_STRING, .offset = AT(cors_origins), .default_shown = "none",
     .help = "origins whose pages may use the API, separated by commas, or *"},
    {.name = "SHUTDOWN_DRAIN_MS", .type = OPTION_INTEGER, .offset = AT(shutdown_drain_ms), .default_value = "5000",
     .min = 0, .max = 600000, .help = "between /readyz turning 503 and the listener closing"},
    {.name = "LOG_LEVEL", .type = OPTION_CHOICE, .offset = AT(log_level), .default_value = "info",
     .file_offset = AT(log_level_file),
     .choices = "debug info warn error", .help = "least severe level that is logged"},
    {.name = "LOG_FORMAT", .type = OPTION_CHOICE, .offset = AT(log_format), .default_value = "json",
     .choices = "json text", .help = "json for machines, text for people"},
    {.name = "ACCESS_LOG_EVERY", .type = OPTION_INTEGER, .offset = AT(access_log_every), .default_value = "1",
     .min = 0, .max = 1000000, .help = "log one request in this many; 1 logs all, 0 none"},
    {.name = "OTEL_EXPORTER_OTLP_ENDPOINT", .type = OPTION_STRING, .offset = AT(otel_endpoint), .check = check_endpoint,
     .default_shown = "none: no traces",
     .help = "collector of traces, asked by OTLP over HTTP in JSON at its path /v1/traces"},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", .type = OPTION_STRING, .offset = AT(otel_traces_endpoint),
     .check = check_endpoint, .default_shown = "none", .help = "the same, with its whole path; goes before the other one"},
    {.name = "OTEL_EXPORTER_OTLP_HEADERS", .type = OPTION_STRING, .offset = AT(otel_headers), .secret = true,
     .file_offset = AT(otel_headers_file), .check = check_headers, .default_shown = "none",
     .help = "header fields for the collector: key=value, separated by commas, values percent-encoded"},
    {.name = "OTEL_SERVICE_NAME", .type = OPTION_STRING, .offset = AT(otel_service_name),
     .check = check_service_name, .default_shown = "rsvpd",
     .help = "service.name of traces"},
    {.name = "OTEL_RESOURCE_ATTRIBUTES", .type = OPTION_STRING, .offset = AT(otel_resource_attributes),
     .check = check_attributes,
     .default_shown = "none", .help = "attributes of all traces: key=value, separated by commas, values percent-encoded"},
    {.name = "TRACE_SAMPLE", .type = OPTION_STRING, .offset = AT(trace_sample), .default_value = "0.01", .check = check_share,
     .help = "share of requests that are traced, from 0 to 1, of those whose callers do not say by traceparent"},
    {.name = "RELAY_TARGET", .type = OPTION_STRING, .offset = AT(relay_target), .default_value = "-", .check = check_relay_target,
     .secret = true, .shows_host = true, .file_offset = AT(relay_target_file),
     .help = "where rsvpd relay hands changes to: - for standard output, or the URL of a webhook: https, or http to loopback"},
    {.name = "RELAY_SECRET", .type = OPTION_STRING, .offset = AT(relay_secret), .secret = true,
     .file_offset = AT(relay_secret_file), .default_shown = "none", .check = check_relay_secret,
     .help = "what webhooks are signed with: whsec_ and 24 to 64 bytes in Base64; two with a blank between while one is replaced"},
    {.name = "RELAY_BATCH_MAX", .type = OPTION_INTEGER, .offset = AT(relay_batch_max), .default_value = "100",
     .min = 1, .max = 1000, .help = "changes in one webhook"},
    {.name = "RELAY_TYPES", .type = OPTION_STRING, .offset = AT(relay_types), .default_shown = "all",
     .help = "types of changes that are told, separated by commas, such as rsvp.created,rsvp.promoted"},
    {.name = "RELAY_SLOT", .type = OPTION_STRING, .offset = AT(relay_slot), .default_value = "rsvpd_relay", .check = check_slot,
     .help = "name of the relay's replication slot and publication"},
};
/* clang-format on */
const size_t config_option_count = sizeof config_options / sizeof config_options[0];

static char **string_at(struct config *config, const struct config_option *option)
{
    return (char **)(void *)((char *)config + option->offset);
}

static char **file_at(struct config *config, const struct config_option *option)
{
    return (char **)(void *)((char *)config + option->file_offset);
}

static int64_t *integer_at(struct config *config, const struct config_option *option)
{
    return (int64_t *)(void *)((char *)config + option->offset);
}

static bool holds_string(const struct config_option *option)
{
    return option->type == OPTION_STRING || option->type == OPTION_ADDRESS;
}

static bool fail(struct config_error *error, const char *name, const char *problem)
{
    snprintf(error->line, sizeof error->line, "%s: %s", name, problem);
    return false;
}

/* Writes the value as messages begin with it. One of a file is hidden like a secret: it may be one
 * that got into the wrong file. */
static void quote(const char *text, bool hidden, char out[QUOTED_SIZE_BYTES])
{
    out[0] = '\0';
    if (!hidden) {
        snprintf(out, QUOTED_SIZE_BYTES, "'%.60s' ", text);
    }
}

static bool set_integer(struct config *config, const struct config_option *option, const char *text,
                        bool hidden, struct config_error *error)
{
    int64_t value;
    if (slice_number(slice_of(text), 18, &value) && value >= option->min && value <= option->max) {
        *integer_at(config, option) = value;
        return true;
    }
    char quoted[QUOTED_SIZE_BYTES];
    quote(text, hidden, quoted);
    snprintf(error->line, sizeof error->line, "%s: %sis not a whole number from %lld to %lld",
             option->name, quoted, (long long)option->min, (long long)option->max);
    return false;
}

static bool set_choice(struct config *config, const struct config_option *option, const char *text,
                       bool hidden, struct config_error *error)
{
    const char *word = option->choices;
    size_t wanted = strlen(text);
    for (int64_t place = 0; wanted > 0 && *word != '\0'; place++) {
        size_t size = strcspn(word, " ");
        if (size == wanted && memcmp(word, text, size) == 0) {
            *integer_at(config, option) = place;
            return true;
        }
        word += size + (word[size] == ' ');
    }
    char quoted[QUOTED_SIZE_BYTES];
    quote(text, hidden, quoted);
    snprintf(error->line, sizeof error->line, "%s: %sis not one of: %s", option->name, quoted,
             option->choices);
    return false;
}

static bool set_string(struct config *config, const struct config_option *option, const char *text,
                       bool hidden, struct config_error *error)
{
    struct in6_addr scratch;
    char quoted[QUOTED_SIZE_BYTES];
    bool may_have_password = strchr(text, '@') != NULL; /* a URL with a user */
    quote(text, hidden || may_have_password, quoted);
    if (option->type == OPTION_ADDRESS && inet_pton(AF_INET, text, &scratch) != 1 &&
        inet_pton(AF_INET6, text, &scratch) != 1) {
        snprintf(error->line, sizeof error->line,
                 "%s: %sis not an IPv4 or IPv6 address such as 127.0.0.1 or ::1", option->name,
                 quoted);
        return false;
    }
    const char *problem = option->check == NULL || *text == '\0' ? NULL : option->check(text);
    if (problem != NULL) {
        snprintf(error->line, sizeof error->line, "%s: %s%s", option->name, quoted, problem);
        return false;
    }
    char **at = string_at(config, option);
    free(*at);
    *at = strdup(text);
    return *at != NULL || fail(error, option->name, "out of memory");
}

static bool set_option(struct config *config, const struct config_option *option, const char *text,
                       bool hidden, struct config_error *error)
{
    switch (option->type) {
    case OPTION_INTEGER:
        return set_integer(config, option, text, hidden, error);
    case OPTION_CHOICE:
        return set_choice(config, option, text, hidden, error);
    case OPTION_STRING:
    case OPTION_ADDRESS:
        return set_string(config, option, text, hidden, error);
    }
    assert(false && "a type that the table does not use");
    return false;
}

static bool set_from_file(struct config *config, const struct config_option *option,
                          const char *path, struct config_error *error)
{
    char value[CONFIG_FILE_VALUE_SIZE_BYTES];
    char **kept = file_at(config, option);
    *kept = strdup(path);
    if (*kept == NULL) {
        return fail(error, option->name, "out of memory");
    }
    return config_file_read(option->name, path, value, error) &&
           set_option(config, option, value, true, error);
}

static bool load_option(struct config *config, const struct config_option *option,
                        config_lookup_fn *lookup, bool lenient, struct config_error *error)
{
    const char *value = lookup(option->name);
    const char *file = NULL;
    char file_name[64];
    if (option->file_offset != 0) {
        snprintf(file_name, sizeof file_name, "%s_FILE", option->name);
        file = lookup(file_name);
    }
    if (value != NULL && *value != '\0' && file != NULL) {
        return fail(error, option->name, "set either it or the variable ending in _FILE, not both");
    }
    if (file != NULL) {
        return set_from_file(config, option, file, error);
    }
    if (value != NULL && !(option->required && *value == '\0')) {
        bool unset_by_empty = *value == '\0' && option->type == OPTION_STRING;
        return unset_by_empty || set_option(config, option, value, option->secret, error);
    }
    if (option->required && !lenient) {
        return fail(error, option->name,
                    "is required and not set; 'rsvpd config' says what it means");
    }
    return true;
}

static int64_t processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? count : 1;
}

static bool set_default(struct config *config, const struct config_option *option,
                        struct config_error *error)
{
    const char *value = option->default_value;
    if (holds_string(option)) {
        return set_string(config, option, value, false, error);
    }
    if (*value == '\0') { /* the one default that depends on the machine */
        assert(option->offset == offsetof(struct config, workers));
        int64_t count = processors();
        *integer_at(config, option) = count < option->max ? count : option->max;
        return true;
    }
    return set_option(config, option, value, false, error);
}

/* One line, whatever a value has in it. */
static bool refuse(struct config_error *error)
{
    for (char *c = error->line; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ') {
            *c = '?';
        }
    }
    return false;
}

/* Every worker gets what it needs: by itself where the variable is not set, or else the operator
 * says so. */
static bool check_pending(struct config *config, bool given, struct config_error *error)
{
    int64_t needed = config->workers * CONFIG_PENDING_PER_WORKER_MIN;
    if (config->max_pending >= needed) {
        return true;
    }
    if (!given) {
        config->max_pending = needed;
        return true;
    }
    snprintf(error->line, sizeof error->line,
             "MAX_PENDING: %" PRId64 " is too small for %" PRId64
             " workers (WORKERS): each needs %d, so set it to at least %" PRId64,
             config->max_pending, config->workers, CONFIG_PENDING_PER_WORKER_MIN, needed);
    return false;
}

/* A secret has one algorithm: whoever gives one need not name it. */
static bool choose_algorithms(struct config *config, const char *given, struct config_error *error)
{
    if ((given != NULL && *given != '\0') || *config->auth_jwt_secret == '\0') {
        return true;
    }
    free(config->auth_jwt_algorithms);
    config->auth_jwt_algorithms = strdup("HS256");
    return config->auth_jwt_algorithms != NULL ||
           fail(error, "AUTH_JWT_ALGORITHMS", "out of memory");
}

/* Whether networks and origins are such. */
static bool check_lists(const struct config *config, struct config_error *error)
{
    char network_error[CIDR_ERROR_SIZE_BYTES], origin_error[ORIGIN_LIST_ERROR_SIZE_BYTES];
    struct cidr_list networks;
    struct origin_list origins;
    if (!cidr_list_parse(&networks, config->trusted_proxies, network_error)) {
        return fail(error, "TRUSTED_PROXIES", network_error);
    }
    cidr_list_free(&networks);
    if (!origin_list_parse(&origins, config->cors_origins, origin_error)) {
        return fail(error, "CORS_ORIGINS", origin_error);
    }
    origin_list_free(&origins);
    return true;
}

bool config_load(struct config *config, config_lookup_fn *lookup, bool lenient,
                 struct config_error *error)
{
    *config = (struct config){0};
    for (size_t i = 0; i < config_option_count; i++) {
        struct config_option option = config_options[i];
        if (option.default_value == NULL) {
            option.default_value = "";
        }
        if (!set_default(config, &option, error) ||
            !load_option(config, &option, lookup, lenient, error)) {
            return refuse(error);
        }
    }
    if (!check_pending(config, lookup("MAX_PENDING") != NULL, error) ||
        !choose_algorithms(config, lookup("AUTH_JWT_ALGORITHMS"), error)) {
        return false;
    }
    if (!check_lists(config, error)) {
        return refuse(error);
    }
    if (config->count_local_ttl_ms + config->count_redis_ttl_ms > CONFIG_COUNT_TTL_SUM_MAX_MS) {
        snprintf(
            error->line, sizeof error->line,
            "COUNT_LOCAL_TTL_MS and COUNT_REDIS_TTL_MS: their sum is %" PRId64 ", at most %d keeps "
            "counts inside their bound of 5 s",
            config->count_local_ttl_ms + config->count_redis_ttl_ms, CONFIG_COUNT_TTL_SUM_MAX_MS);
        return false;
    }
    return true;
}

bool config_read_log_level_again(const struct config *config, enum log_level *level,
                                 struct config_error *error)
{
    char value[CONFIG_FILE_VALUE_SIZE_BYTES];
    struct config scratch = {.log_level = config->log_level};
    const struct config_option *option = config_options;
    while (option->offset != AT(log_level)) {
        option++;
    }
    bool read = config->log_level_file == NULL ||
                (config_file_read_again(option->name, config->log_level_file, value, error) &&
                 set_option(&scratch, option, value, true, error));
    *level = (enum log_level)scratch.log_level;
    return read;
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config_option_count; i++) {
        if (holds_string(&config_options[i])) {
            char **at = string_at(config, &config_options[i]);
            free(*at);
            *at = NULL;
        }
        if (config_options[i].file_offset != 0) {
            char **path = file_at(config, &config_options[i]);
            free(*path);
            *path = NULL;
        }
    }
}
