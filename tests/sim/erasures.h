/* Erasures of users: what must hold of them, and what has to be known for that. */
#ifndef RSVPD_SIM_ERASURES_H
#define RSVPD_SIM_ERASURES_H

#include "model_primary.h"
#include "names.h"

struct item;
struct request;
struct world;

/* Of one erasure, all in virtual time. */
struct erasure_log {
    int64_t pass_us;        /* when it last began to look through everything */
    int64_t keys_us;        /* when it last looked for kept answers */
    int64_t keys_others_us; /* when another erasure of the user last deleted kept answers */
    int64_t erased;         /* lines that it removed, and kept answers */
    bool complete;          /* it was answered so */
};

struct erasures {
    struct coming {
        int64_t since_us; /* since when the user is a member or waits; 0: neither */
        int key;          /* of the write that brought them in, or KEY_NONE */
    } comings[RELATION_COUNT][ENTITIES_MAX][USERS_MAX];
    int64_t keys_erased_us[USERS_MAX]; /* when kept answers of the user were last erased */
    uint64_t answered, complete;
};

/* A write of a user took effect, or had nothing to do. */
void erasures_wrote(struct world *world, const struct model_row *row, const struct identifier *user,
                    int key);

/* How many are known to be members or to wait. */
int erasures_known(const struct world *world, const struct model_row *row);

/* A worker sends an operation. */
void erasures_sent(struct world *world, const struct operation *operation);

/* An operation of a batch took effect. */
void erasures_executed(struct world *world, const struct item *item);

/* An erasure is answered. */
void erasures_answered(struct world *world, struct request *request,
                       const struct operation *operation, enum outcome outcome);

#endif
