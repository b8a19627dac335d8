/* What the contract's section 5 says of one event, as plainly as it can be written: the reference
 * that long histories of the service are compared with, and the rules of model_primary. It needs
 * no clock: a window's ends lie far off, in the past or in the future. Users are numbers. */
#ifndef RSVPD_TESTS_ADMISSION_MODEL_H
#define RSVPD_TESTS_ADMISSION_MODEL_H

#include <stdbool.h>

enum model_time { MODEL_NULL, MODEL_PAST, MODEL_FUTURE };

struct model_settings {
    int capacity; /* -1: null */
    bool waitlist;
    enum model_time opens_at, closes_at;
};

struct model_event {
    bool has_settings;
    bool promoting; /* seats are free, and are given to those who wait in steps */
    bool clearing;  /* the settings are to go once nobody waits */
    struct model_settings settings;
    int step_max; /* how many move up in one step; 0: all */
    int going;    /* how many are in */
    int waiting;  /* how many wait */
    int *queue;   /* who waits, the one who has waited longest first */
    bool *is_in;  /* of each user below users_size; ask model_is_in */
    int queue_size, users_size;
};

enum model_verdict { MODEL_GOING, MODEL_WAITLISTED, MODEL_OUT, MODEL_FULL, MODEL_CLOSED };

struct model_answer {
    enum model_verdict verdict;
    bool changed;
    int position; /* of who waits, from 1 */
    int count;
};

/* An event that nobody has touched; model_free gives back what it grows to. */
void model_init(struct model_event *event);
void model_free(struct model_event *event);

struct model_answer model_join(struct model_event *event, int user);
/* In whatever the settings say. */
struct model_answer model_join_past_capacity(struct model_event *event, int user);
/* Out, and whoever has waited longest moves in. */
struct model_answer model_leave(struct model_event *event, int user);
/* The two halves of that, for several who leave at once. */
struct model_answer model_remove(struct model_event *event, int user);
void model_promote(struct model_event *event, int max);

/* Both do a first step of what they bring about; model_step does a further one. */
void model_configure(struct model_event *event, const struct model_settings *settings);
void model_release(struct model_event *event);
void model_step(struct model_event *event);

bool model_is_in(const struct model_event *event, int user);
/* Where the user stands in the queue, from 1; 0: nowhere. */
int model_position(const struct model_event *event, int user);

#endif
