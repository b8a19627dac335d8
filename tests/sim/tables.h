/* What is true: the tables of the database, with the statements of the store upon them. A batch
 * takes effect whole, at one moment, or not at all. Entities, users and keys are numbers here. */
#ifndef RSVPD_SIM_TABLES_H
#define RSVPD_SIM_TABLES_H

#include "admission_model.h"

#include "rsvpd/domain/ports.h"

enum { ENTITIES_MAX = 8, USERS_MAX = 32, KEY_NONE = -1 };

/* What a count was: version by version, index 0 before the first change. */
struct history {
    struct reading {
        int64_t value, since_us;
    } * at;
    size_t size, capacity;
};

struct row {
    struct model_event event; /* members, settings and the queue of those who wait */
    struct settings settings; /* as they were given, with times */
    bool was_in[USERS_MAX];   /* as of the last change of the counter */
    int64_t since_us[USERS_MAX], waits_since_us[USERS_MAX];
    int64_t ticket[USERS_MAX]; /* of who waits; else 0 */
    int64_t last_ticket;
    struct history history;
    const char *broken; /* the rule that the last change broke, NULL where none */
};

/* What the database answers to one operation. */
struct answer {
    enum outcome verdict;
    bool changed, member, waiting, replayed;
    int64_t place, count, version, as_of_us;
    int64_t waiting_count, created_at_us, keys_expired;
    struct settings settings;
    uint64_t page_digest; /* of all lines of `page`, in order */
    struct page *page;    /* of a listing; the answer's own */
};

struct request;

/* One operation of a batch, as it was sent. */
struct item {
    struct request *request; /* NULL of the service's own: loads of counts, and tidying up */
    enum operation_kind kind;
    enum write_path path; /* once misrouted, the one that is right */
    unsigned entity, user;
    int key;
    bool poisonous; /* the database refuses it */
    uint64_t arrival;
    struct settings settings;
    struct identifier after;
    int64_t after_ticket;
    size_t page_size;
    int64_t keys_max;
    struct answer answer;
};

struct work {
    enum relation_id relation;
    enum operation_kind kind;
    enum write_path path;
    size_t size;
    struct item items[];
};

/* An answer that is kept under an idempotency key. */
struct kept {
    unsigned user;
    int key;
    enum relation_id relation;
    enum operation_kind kind;
    unsigned entity;
    struct answer answer;
    int64_t expires_us;
    struct kept *next;
};

enum { KEPT_BUCKETS = 1024 };

struct tables {
    struct row rows[RELATION_COUNT][ENTITIES_MAX];
    struct kept *kept[KEPT_BUCKETS];
    int64_t key_lifetime_us;
};

void tables_init(struct tables *tables, int64_t key_lifetime_us);
void tables_free(struct tables *tables);

/* Of a batch with keys, before it does anything: which have been answered before. */
void tables_recall(const struct tables *tables, struct work *work, int64_t now_us);

/* Does a batch, or nothing of it, and fills in its answers. */
enum batch_outcome tables_execute(struct tables *tables, struct work *work, int64_t now_us);

/* Whether the item did anything, rather than to recall an answer or to be refused its key. */
bool item_acts(const struct item *item);

bool kind_writes_user(enum operation_kind kind);
bool kind_writes(enum operation_kind kind);

/* Tells pages apart by all their lines, in order; never 0. */
uint64_t page_digest(const struct page *page);

/* Whether the count was this at that moment; which was so at either end of a change. */
bool history_was(const struct history *history, int64_t count, int64_t at_us);

/* Whether it was this in that version, and at that moment. */
bool history_holds(const struct history *history, int64_t count, int64_t version, int64_t at_us);

/* Names: sorted as the numbers are. The other way round, KEY_NONE for no name. */
struct identifier name_of(char kind, unsigned number);
int number_of(const struct identifier *name);
struct idempotency_key key_named(unsigned number);
int key_number_of(const struct idempotency_key *key);

#endif
