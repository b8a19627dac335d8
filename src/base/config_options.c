/* The table of variables, and what values of them must be like. */
#include "rsvpd/base/config.h"
#include "rsvpd/base/jwt.h"
#include "rsvpd/base/pair_list.h"
#include "rsvpd/base/rate.h"
#include "rsvpd/base/trace.h"
#include "rsvpd/base/webhook.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

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
