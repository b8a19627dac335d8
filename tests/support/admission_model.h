/* What the contract's section 5 says, as plainly as it can be written: the reference that long
 * histories of the service are compared with. It needs no clock: a window's ends lie far off, in
 * the past or in the future. */
#ifndef RSVPD_TESTS_ADMISSION_MODEL_H
#define RSVPD_TESTS_ADMISSION_MODEL_H

#include <stdbool.h>

enum { MODEL_USERS_MAX = 64 };

enum model_time { MODEL_NULL, MODEL_PAST, MODEL_FUTURE };

struct model_settings {
    int capacity; /* -1: null */
    bool waitlist;
    enum model_time opens_at, closes_at;
};

struct model_event {
    bool has_settings;
    struct model_settings settings;
    bool is_in[MODEL_USERS_MAX];
    int going; /* how many are in */
    /* Users who wait, the one who has waited longest first. */
    int queue[MODEL_USERS_MAX];
    int waiting;
};

enum model_verdict { MODEL_GOING, MODEL_WAITLISTED, MODEL_OUT, MODEL_FULL, MODEL_CLOSED };

struct model_answer {
    enum model_verdict verdict;
    bool changed;
    int position; /* of who waits, from 1 */
    int count;
};

/* An event that nobody has touched. */
void model_init(struct model_event *event);
struct model_answer model_join(struct model_event *event, int user);
struct model_answer model_leave(struct model_event *event, int user);
void model_configure(struct model_event *event, const struct model_settings *settings);
void model_release(struct model_event *event);
/* Where the user stands in the queue, from 1; 0: nowhere. */
int model_position(const struct model_event *event, int user);

#endif
