/* Who watches which counts, and when each of them is told what. One for each worker. No I/O; time
 * is an argument.
 *
 * DESIGN: A topic is an entity that somebody watches; a link is one stream's interest in it. A
 * topic holds the newest count alone, and one text of it that all its streams share. So a slow
 * reader costs nothing: whenever it has room, it gets what is newest then, and what it missed is
 * gone.
 *
 * Nobody is told of one entity more than once a second. A topic's links lie in the order in which
 * they were told, so the first one says when there is something to do. A wheel finds the topics
 * whose time has come. Those who are told at once wait for their turn: an iteration of the loop
 * wakes a bounded number, so that ten thousand streams delay no request. */
#ifndef RSVPD_SERVICE_HUB_H
#define RSVPD_SERVICE_HUB_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/hash_table.h"
#include "rsvpd/base/metrics.h"
#include "rsvpd/base/wheel.h"
#include "rsvpd/domain/operation.h"

enum {
    HUB_EVERY_US = 1000 * 1000, /* between two events of one entity to one stream */
    HUB_TICK_US = 10 * 1000,    /* how exactly that is kept */
    HUB_COMMENT_US =
        10 * 1000 * 1000, /* a stream that was sent nothing for so long gets a comment */
    HUB_WAKES_PER_ITERATION = 128,
    HUB_VERSION_UNKNOWN = -1,
};

/* What an event looks like on its way: made once, and shared by all who are sent it. */
struct hub_text {
    size_t references;
    size_t id_size; /* the line at the begin that a stream of several entities leaves out */
    size_t size;
    char data[];
};

void hub_text_release(struct hub_text **text);

struct hub_topic {
    struct hash_node key;
    struct list_node due; /* in the wheel or the hub's list, while a link of it is to be told */
    const struct relation *relation;
    struct identifier entity;
    struct count count;    /* the newest; nothing before `sequence` is 1 */
    uint64_t sequence;     /* of changes that are told */
    int64_t changed_us;    /* monotonic: when the last of them was true first, as far as is known */
    struct hub_text *text; /* of `count`; NULL: not made yet */
    struct list links;     /* but those that are ready in their streams; the one told longest ago
                              first */
    size_t link_count;
    struct list_node watched; /* the source's */
    void *watch;              /* likewise */
    bool asked;               /* likewise */
};

struct hub_stream;

struct hub_link {
    struct list_node node; /* in its topic, or in its stream while it is ready */
    struct hub_topic *topic;
    struct hub_stream *stream;
    uint64_t sequence; /* the topic's that the client has; 0: none */
    int64_t told_us;   /* monotonic */
};

/* What a stream is opened with, and its links. The owner's memory. */
struct hub_stream {
    void (*wake)(
        void *owner); /* there is something to send; never called while it is being opened */
    void *owner;
    int64_t known_version; /* that the client has of its one entity, or HUB_VERSION_UNKNOWN */
    struct list ready;     /* links whose topics have something for it */
    struct list_node comment;
    bool wants_comment;
    int64_t sent_us; /* monotonic: when it was given something to send last */
    size_t size;     /* links in use */
    struct hub_link links[];
};

/* Where counts come from. */
struct hub_source {
    void *source;
    /* From now on the topic is told by hub_learn. False where nobody can watch any more. */
    bool (*watch)(void *source, struct hub_topic *topic);
    void (*unwatch)(void *source, struct hub_topic *topic);
};

/* Makes the text of a count, with one reference; NULL when memory is exhausted. */
typedef struct hub_text *hub_write_fn(const struct relation *relation,
                                      const struct identifier *entity, const struct count *count);

struct hub {
    struct hub_source source;
    hub_write_fn *write;
    struct metrics *metrics;
    struct hash_table topics;
    struct wheel due;      /* topics that are to be told later */
    struct list telling;   /* topics that are to be told now */
    struct wheel comments; /* streams */
    size_t streams;        /* that are open */
};

/* For about `topics` entities. False when memory is exhausted. */
MUST_CHECK bool hub_init(struct hub *hub, const struct hub_source *source, hub_write_fn *write,
                         struct metrics *metrics, size_t topics, uint64_t secret, int64_t now_us);
/* No stream may be open. */
void hub_free(struct hub *hub);

/* Opens a stream of these entities, each of which it is told once however often it is named. Its
 * `wake`, `owner` and `known_version` are set, and there is room for `size` links. Its first
 * comment comes after `comment_in_us`, so that not all come at once. False, with nothing done,
 * where so many entities cannot be watched. */
MUST_CHECK bool hub_open(struct hub *hub, struct hub_stream *stream,
                         const struct relation *relation, const struct identifier *entities,
                         size_t size, int64_t comment_in_us, int64_t now_us);
void hub_close(struct hub *hub, struct hub_stream *stream);

/* What the source knows of a topic now. */
void hub_learn(struct hub *hub, struct hub_topic *topic, const struct count *count, int64_t now_us);

enum hub_message {
    HUB_NOTHING,
    HUB_EVENT,   /* a text, whose reference is the caller's to release */
    HUB_COMMENT, /* an empty one keeps the connection alive, and finds out whether it is */
};

/* What the stream is to send next; to be asked once there is room for it. */
MUST_CHECK enum hub_message hub_next(struct hub *hub, struct hub_stream *stream, int64_t now_us,
                                     struct hub_text **text);

/* Wakes streams for which there is something, as many as one iteration may. To be called in every
 * iteration of the loop. True where there are more. */
bool hub_end_iteration(struct hub *hub, int64_t now_us);

#endif
