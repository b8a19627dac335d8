/* Keeps what the hub's streams watch up to date: by what the worker learns anyway, by what other
 * workers put into the memory of the process, and by asking once a second for all of it. No I/O;
 * time is an argument.
 *
 * DESIGN: A watched entity is an entry of the count cache that is asked for again and again, by the
 * way that every count takes: Redis for what Redis has, and Postgres for the rest. So a stream is
 * told what a request for the count would be. */
#ifndef RSVPD_SERVICE_WATCH_H
#define RSVPD_SERVICE_WATCH_H

#include "rsvpd/base/contract.h"
#include "rsvpd/domain/ports.h"
#include "rsvpd/service/counts.h"
#include "rsvpd/service/hub.h"

enum {
    /* Between two rounds of asking for everything: so much longer than streams wait that who was
     * told after one round may be told at once after the next. */
    WATCH_EVERY_US = HUB_EVERY_US + 50 * 1000,
    /* Who was told by somebody else so lately need not ask. */
    WATCH_RECENT_US = WATCH_EVERY_US / 2,
    WATCH_LOOK_US = 100 * 1000, /* in which each is looked up once in the memory of the process */
    WATCH_ASKED_MAX = REDIS_COUNTS_MAX, /* at a time: one command */
};

struct watch {
    struct counts *counts;
    struct hub *hub;
    size_t topics_max;  /* that may be watched at a time */
    size_t asked_max;   /* of them, that may be asked for at a time */
    struct list topics; /* those to be looked up next first */
    struct list to_ask; /* those of them whose turn in this round is to come */
    size_t count;
    size_t asked;      /* whose answers are not here */
    int64_t round_us;  /* monotonic: when the next round may begin */
    int64_t looked_us; /* and when topics were looked up last */
};

/* `asked_max`: so many of the worker's operations may be used at a time. */
void watch_init(struct watch *watch, struct counts *counts, struct hub *hub, size_t topics_max,
                size_t asked_max, int64_t now_us);

/* The hub's source. */
struct hub_source watch_source(struct watch *watch);

/* For counts: an entry with a watcher was told a count, or asked for one in vain. */
void watch_noticed(void *watch, struct count_entry *entry, int64_t now_us);

/* Looks up some, and asks for some. To be called at the end of every iteration, before
 * counts_end_iteration. */
void watch_end_iteration(struct watch *watch, int64_t now_us);

#endif
