/* Structured logs on standard error: one line an event, JSON for machines or text for people.
 *
 * DESIGN: A loop must never wait for whoever reads the log. A thread that has attached puts its
 * lines into a ring of its own, which one writer thread empties; a full ring drops the line and
 * counts it. Threads that have not attached (start-up, subcommands) write directly. */
#ifndef RSVPD_BASE_LOG_H
#define RSVPD_BASE_LOG_H

#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum log_field_type { LOG_FIELD_STRING, LOG_FIELD_INTEGER, LOG_FIELD_MICROSECONDS };

struct log_field {
    const char *name;
    enum log_field_type type;
    struct slice string;
    int64_t integer; /* LOG_FIELD_MICROSECONDS is shown in milliseconds with three decimals */
};

#define LOG_STR(name, slice) ((struct log_field){(name), LOG_FIELD_STRING, (slice), 0})
#define LOG_CSTR(name, cstr) LOG_STR(name, slice_of(cstr))
#define LOG_INT(name, number)                                                                      \
    ((struct log_field){(name), LOG_FIELD_INTEGER, {NULL, 0}, (int64_t)(number)})
#define LOG_USEC(name, number)                                                                     \
    ((struct log_field){(name), LOG_FIELD_MICROSECONDS, {NULL, 0}, (int64_t)(number)})

/* log_event(level, message, fields...): `message` is a constant phrase, and fields hold what
 * varies. No field may hold a user id, a token or a password. */
#define log_event(level, ...)                                                                      \
    (log_enabled(level) ? log_write(level, LOG_COUNTED(__VA_ARGS__, (struct log_field){0}))        \
                        : (void)0)
#define LOG_COUNTED(message, ...)                                                                  \
    (message), (const struct log_field[]){__VA_ARGS__},                                            \
        sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field) - 1

/* Before there are threads. */
void log_configure(enum log_level level, enum log_format format);
/* At any time, on any thread. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count);

/* Starts the writer thread. False when there are no resources for it. */
MUST_CHECK bool log_start(void);

/* Writes what is in the rings, and ends the writer. It waits at most a second for a reader that
 * does not read. After that, lines are written directly. */
void log_stop(void);

/* Gives the calling thread a ring. If there is no memory for one, the thread goes on writing
 * directly. */
void log_attach_thread(void);

/* Lines dropped because a ring was full, since the start. */
uint64_t log_dropped(void);

#endif
