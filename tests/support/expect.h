/* What the contract says about answers, as assertions. A failed one prints the answer and the ends
 * of the watched logs, and fails the running test at the caller's line. From the main thread only.
 */
#ifndef RSVPD_TESTS_EXPECT_H
#define RSVPD_TESTS_EXPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

/* One row of the contract's table of errors. */
struct expect_problem_row {
    const char *code;
    int status;
    bool retryable;
    bool has_retry_after;
};

extern const struct expect_problem_row expect_problem_rows[];
extern const size_t expect_problem_row_count;

/* The response has this status. */
#define expect_status(response, status) expect_status_at(__FILE__, __LINE__, response, status)
/* It has this status, is application/json, and its body equals the JSON text, built as printf()
 * does: no member more, none less. */
#define expect_json(response, status, ...)                                                         \
    expect_json_at(__FILE__, __LINE__, response, status, __VA_ARGS__)
/* The object has exactly these members, in any order: expect_members(json, "a", "b"). */
#define expect_members(object, ...)                                                                \
    expect_members_at(__FILE__, __LINE__, object, (const char *const[]){__VA_ARGS__, NULL})
/* It is the problem of that code, all members of it. */
#define expect_problem(response, status, code)                                                     \
    expect_problem_at(__FILE__, __LINE__, response, status, code)
/* And its detail names this. */
#define expect_problem_naming(response, status, code, word)                                        \
    expect_problem_naming_at(__FILE__, __LINE__, response, status, code, word)
/* It has the header with exactly this value; NULL: it has no such header. */
#define expect_header(response, name, value)                                                       \
    expect_header_at(__FILE__, __LINE__, response, name, value)
/* It is a count that is not stale, with the one as_of that is left out of the comparison by
 * expect_json(). id_member is event_id or post_id, count_member rsvp_count or like_count. */
#define expect_count(response, id_member, id, count_member, count)                                 \
    expect_count_at(__FILE__, __LINE__, response, id_member, id, count_member, count, false)
#define expect_stale_count(response, id_member, id, count_member, count)                           \
    expect_count_at(__FILE__, __LINE__, response, id_member, id, count_member, count, true)

void expect_status_at(const char *file, int line, const struct http_response *response, int status);
void expect_json_at(const char *file, int line, const struct http_response *response, int status,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));
void expect_members_at(const char *file, int line, const json_t *object,
                       const char *const *members);
void expect_problem_at(const char *file, int line, const struct http_response *response, int status,
                       const char *code);
void expect_problem_naming_at(const char *file, int line, const struct http_response *response,
                              int status, const char *code, const char *word);
void expect_header_at(const char *file, int line, const struct http_response *response,
                      const char *name, const char *value);
void expect_count_at(const char *file, int line, const struct http_response *response,
                     const char *id_member, const char *id, const char *count_member, int64_t count,
                     bool stale);

/* Milliseconds since the epoch of a time like 2026-11-22T10:15:30.123Z; -1 for any other form. */
int64_t expect_parse_time(const char *text);
/* The same clock now. */
int64_t expect_now_ms(void);

#endif
