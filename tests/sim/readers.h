/* Those who watch: each opens a stream of counts at some worker, reads it quickly or slowly, leaves
 * and comes back. */
#ifndef RSVPD_SIM_READERS_H
#define RSVPD_SIM_READERS_H

#include "names.h"

#include "rsvpd/service/hub.h"

enum { READERS_MAX = 6, READER_ENTITIES_MAX = 4 };

struct worker;
struct world;

/* What a stream has told of one entity. */
struct reader_told {
    bool any;
    struct count last;
    int64_t at_us; /* virtual time */
};

struct reader {
    struct worker *worker; /* NULL: it has no stream */
    enum relation_id relation;
    size_t size;
    unsigned entities[READER_ENTITIES_MAX]; /* of which one may be there twice */
    struct reader_told told[ENTITIES_MAX];
    int64_t known_version; /* with which it came back; HUB_VERSION_UNKNOWN: with none */
    bool reading;          /* it is about to */
    struct hub_stream *stream;
};

struct readers {
    struct reader all[READERS_MAX];
    uint64_t events;
};

void readers_start(struct world *world);
/* Whoever has no stream opens one, and keeps it. */
void readers_heal(struct world *world);

/* The worker ends: its streams do. */
void readers_cut_off(const struct worker *worker);
void readers_free(struct world *world);

/* Makes the text of an event, for the hub; now and then there is no memory for one. */
struct hub_text *readers_write(const struct relation *relation, const struct identifier *entity,
                               const struct count *count);

/* After everything has come to its end: everybody has a stream, and was told what is true. */
void readers_check_end(struct world *world);

#endif
