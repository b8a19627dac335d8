/* What an operator can set, all of it from the environment: one table (config_options) names every
 * variable with its type, default, bounds and meaning. Parsing, `rsvpd config` and the
 * table of docs/reference/configuration.md all come from it. */
#ifndef RSVPD_BASE_CONFIG_H
#define RSVPD_BASE_CONFIG_H

#include "rsvpd/base/config_file.h"
#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };
enum auth_mode { AUTH_MODE_NONE, AUTH_MODE_TOKEN };

struct config {
    /* Strings are owned by the config and never NULL once loaded; empty means not set. */
    char *database_url;
    char *database_read_url;
    char *redis_url;
    char *bind_address;
    char *admin_bind_address;
    char *database_url_file; /* the file that it came from; NULL: none */
    char *database_read_url_file;
    char *redis_url_file;
    char *redis_tls_ca_file; /* paths of PEM files */
    char *redis_tls_cert_file;
    char *redis_tls_key_file;
    char *log_level_file;
    char *auth_jwt_algorithms;
    char *auth_jwks_url;
    char *auth_jwks_file;
    char *auth_jwt_secret;
    char *auth_jwt_secret_file;
    char *auth_jwt_issuer;
    char *auth_jwt_audience;
    char *rate_limit_user;
    char *rate_limit_key;
    char *rate_limit_address;
    char *rate_limit_user_file; /* the files that they came from; NULL: none */
    char *rate_limit_key_file;
    char *rate_limit_address_file;
    char *trusted_proxies;
    char *cors_origins;
    char *otel_endpoint;
    char *otel_traces_endpoint;
    char *otel_headers;
    char *otel_headers_file; /* the file that it came from; NULL: none */
    char *otel_service_name;
    char *otel_resource_attributes;
    char *trace_sample;
    char *relay_target;      /* "-": standard output */
    char *relay_target_file; /* the file that it came from; NULL: none */
    char *relay_secret;
    char *relay_secret_file; /* the file that it came from; NULL: none */
    char *relay_types;
    char *relay_slot;
    int64_t port;
    int64_t admin_port;
    int64_t workers; /* event loops; resolved to the number of processors when not set */
    int64_t request_deadline_ms;
    int64_t keepalive_timeout_ms;        /* of connections between requests */
    int64_t max_connections;             /* per process, besides streams */
    int64_t max_connections_per_address; /* per process; 0: no limit */
    int64_t max_pending;                 /* requests waiting for a store, per process */
    int64_t max_streams;                 /* of counts, per process */
    int64_t pg_write_connections;        /* per worker */
    int64_t pg_read_connections;         /* per worker */
    int64_t count_local_ttl_ms;
    int64_t count_redis_ttl_ms;
    int64_t shutdown_drain_ms;
    int64_t auth_mode;           /* enum auth_mode */
    int64_t auth_allow_insecure; /* 0 or 1, like the two below */
    int64_t auth_open_counts;
    int64_t auth_open_listings;
    int64_t auth_jwt_leeway_s;
    int64_t auth_jwks_refresh_s;
    int64_t relay_batch_max;  /* changes */
    int64_t log_level;        /* enum log_level */
    int64_t log_format;       /* enum log_format */
    int64_t access_log_every; /* 1: every request, N: one in N, 0: none */
};

enum option_type {
    OPTION_INTEGER,
    OPTION_STRING,
    OPTION_ADDRESS, /* an IPv4 or IPv6 address in digits */
    OPTION_CHOICE,  /* one of the words in `choices`; its value is the word's place among them */
};

struct config_option {
    const char *name;
    enum option_type type;
    size_t offset;             /* of the member in struct config: char * or int64_t */
    const char *default_value; /* as it would be written; NULL: there is none */
    int64_t min, max;          /* OPTION_INTEGER */
    const char *choices;       /* OPTION_CHOICE: words separated by spaces */
    /* OPTION_STRING: what is wrong with a value, in constant words; NULL: nothing. NULL itself
     * where any string will do. */
    const char *(*check)(const char *value);
    bool required;
    bool secret;        /* never printed */
    bool shows_host;    /* though it is a secret: it is a URL, and printed without what follows the
                           host */
    bool names_file;    /* its value is the path of a file that is read again */
    size_t file_offset; /* of the member for the path that NAME_FILE gives; 0: no NAME_FILE */
    const char *default_shown; /* for people, where default_value does not say it */
    const char *help;
};

extern const struct config_option config_options[];
extern const size_t config_option_count;

/* Looks a variable up; NULL when it is not set. getenv, or a test's own. */
typedef const char *config_lookup_fn(const char *name);

/* Reads every option. False with `error` filled in at the first that is malformed, out of range, or
 * required and missing (unless `lenient`, which leaves it empty). `config` is to be freed with
 * config_free either way. */
MUST_CHECK bool config_load(struct config *config, config_lookup_fn *lookup, bool lenient,
                            struct config_error *error);
void config_free(struct config *config);

/* Reads LOG_LEVEL again from its file, where it came from one; else it is what it was. False with
 * `error` filled in, and `level` what it was, where that cannot be. */
MUST_CHECK bool config_read_log_level_again(const struct config *config, enum log_level *level,
                                            struct config_error *error);

enum {
    CONFIG_WORKERS_MAX = 256,
    CONFIG_PG_CONNECTIONS_MAX = 16, /* of one pool of a worker */
    /* Operations that a worker needs for the largest request: a hundred counts, a load of each, and
       two of the worker's own. With fewer, such a request could never succeed. */
    CONFIG_PENDING_PER_WORKER_MIN = 2 * 100 + 2,
    /* The bound on a count's age is 5 s. A second of it belongs to a shared cache in front and half
     * a second to the ways between commit, Redis and client; what is left is for the two lifetimes.
     */
    CONFIG_COUNT_TTL_SUM_MAX_MS = 3500,
};

#endif
