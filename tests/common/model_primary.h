/* A pure model of the primary: what the tables hold, and what the store's statements do to them.
 * A batch takes effect whole, at one moment, or not at all; the answers go into its operations. It
 * is written from the contract and not from the SQL. The fake of the unit tests and the simulated
 * PostgreSQL stand around it; admission_model has the rules of one event, which long histories of
 * the real database are compared with. */
#ifndef RSVPD_TESTS_MODEL_PRIMARY_H
#define RSVPD_TESTS_MODEL_PRIMARY_H

#include "admission_model.h"

#include "rsvpd/domain/ports.h"

#include <stddef.h>

/* What stands where nothing is known that is worth anything. */
enum { MODEL_NONSENSE = 1000 * 1000 * 1000 };

/* What a counter was: version by version, index 0 before the first change. */
struct model_history {
    struct model_reading {
        int64_t value, since_us; /* monotonic */
    } * at;
    size_t size, capacity;
};

/* One entity of one relation. */
struct model_row {
    const struct relation *relation;
    struct identifier entity;
    struct model_event event;             /* members, settings and the queue of those who wait */
    struct settings settings;             /* as they were given, with times */
    struct model_user {                   /* by number, as in `event` */
        bool was_in;                      /* as of the last change of the counter */
        int64_t since_us, waits_since_us; /* Unix epoch */
        int64_t ticket;                   /* of who waits; else 0 */
    } * users;
    size_t users_size;
    int64_t last_ticket;
    struct model_history history;
    const char *broken; /* the rule that the last change broke, NULL where none */
};

struct model_kept;

enum { MODEL_KEPT_BUCKETS = 1024 };

struct model_primary {
    struct model_row **rows; /* in the order in which they were first asked for */
    size_t row_count, row_capacity;
    struct identifier *users; /* the name of each number */
    size_t user_count, user_capacity;
    struct model_kept *kept[MODEL_KEPT_BUCKETS]; /* answers, by their keys */
    int64_t key_lifetime_us;
    int step_max; /* how many of those who wait move up in one step; 0: all */
};

void model_primary_init(struct model_primary *model, int64_t key_lifetime_us);
void model_primary_free(struct model_primary *model);

/* The row of an entity, which is made where there is none. It stays where it is. */
struct model_row *model_primary_row(struct model_primary *model, const struct relation *relation,
                                    const struct identifier *entity);

/* The number of a user, who gets one where there is none. */
int model_primary_user(struct model_primary *model, const struct identifier *user);

/* Makes an operation as it is before anything was answered to it; an attempt that was lost may have
 * left something. */
void model_primary_reset(struct operation *operation);

/* Of a batch of writes, before it does anything: which have been answered before, and which are not
 * to use their keys. Of two with the same key the first to arrive is done. */
void model_primary_recall(const struct model_primary *model, struct batch *batch,
                          struct instant now);

/* Why the batch, of writes and recalled, would do nothing: BATCH_ROLLED_BACK once one of its keys
 * was answered since it was recalled, or BATCH_MISROUTED; else BATCH_DONE. */
enum batch_outcome model_primary_obstacle(struct model_primary *model, const struct batch *batch,
                                          struct instant now);

/* The path that is right for the write. */
enum write_path model_primary_path(struct model_primary *model, const struct operation *operation);

/* Does a batch that has no obstacle, and answers its operations. */
void model_primary_execute(struct model_primary *model, struct batch *batch, struct instant now);

/* One write of one user that no batch has. */
void model_primary_write(struct model_primary *model, enum operation_kind kind,
                         const struct relation *relation, const struct identifier *entity,
                         const struct identifier *user, struct instant now);

/* Gives an entity settings, or takes them away (NULL). */
void model_primary_configure(struct model_primary *model, struct model_row *row,
                             const struct settings *settings, struct instant now);

/* The count of the row as of now. */
struct count model_row_count(const struct model_row *row, struct instant now);

/* Whether the count was this at that moment; which was so at either end of a change. */
bool model_history_was(const struct model_history *history, int64_t count, int64_t at_us);

/* Whether it was this in that version, and at that moment. */
bool model_history_holds(const struct model_history *history, int64_t count, int64_t version,
                         int64_t at_us);

#endif
