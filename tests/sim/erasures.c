/* Erasures of users. */
#include "erasures.h"
#include "world.h"

#include <stdlib.h>

static struct coming *coming_of(struct world *world, const struct model_row *row, int user)
{
    return &world->erasures.comings[row->relation->id][number_of(&row->entity)][user];
}

void erasures_wrote(struct world *world, const struct model_row *row, const struct identifier *user,
                    int key)
{
    struct coming *coming = coming_of(world, row, number_of(user));
    int number = model_primary_user(&world->pg.model, user);
    bool here = model_is_in(&row->event, number) || model_position(&row->event, number) > 0;
    if (!here) {
        *coming = (struct coming){.since_us = 0};
    } else if (coming->since_us == 0) {
        *coming = (struct coming){world->timeline.now_us, key};
    }
}

int erasures_known(const struct world *world, const struct model_row *row)
{
    const struct coming *comings =
        world->erasures.comings[row->relation->id][number_of(&row->entity)];
    int known = 0;
    for (unsigned user = 0; user < USERS_MAX; user++) {
        known += comings[user].since_us != 0;
    }
    return known;
}

void erasures_sent(struct world *world, const struct operation *operation)
{
    struct request *request = clients_erasure_of(operation);
    if (request == NULL) {
        return;
    }
    if (request->kind != OPERATION_ERASE || request->answered ||
        number_of(&operation->user) != (int)request->user) {
        world_fail(world, "what an erasure removes is its user's: request %llu, user %d",
                   (unsigned long long)request->number, number_of(&operation->user));
    }
    if (operation->kind == OPERATION_LIST_WAITS && operation_listing(operation)->after.size == 0) {
        request->erasure.pass_us = world->timeline.now_us;
    } else if (operation->kind == OPERATION_ERASE_KEYS) {
        request->erasure.keys_us = world->timeline.now_us;
    }
}

/* ---- what is done ---- */

static void note_keys_erased(struct world *world, const struct request *request)
{
    int64_t now_us = world->timeline.now_us;
    const struct list *open = &world->clients.open;
    world->erasures.keys_erased_us[request->user] = now_us;
    for (struct list_node *node = open->head.next; node != &open->head; node = node->next) {
        struct request *other = list_entry(node, struct request, open);
        if (other != request && other->kind == OPERATION_ERASE && other->user == request->user) {
            other->erasure.keys_others_us = now_us;
        }
    }
}

void erasures_executed(struct world *world, const struct item *item)
{
    const struct operation *operation = &item->operation;
    struct request *request = item->erasure;
    int64_t erased = 0;
    if (operation_is_write(operation)) {
        const struct operation_write *write = operation_write(operation);
        const struct model_row *row =
            pg_row(world, operation->relation->id, (unsigned)number_of(&operation->entity));
        erasures_wrote(world, row, &operation->user, key_number_of(&write->key));
        erased = operation->verdict == OUTCOME_DONE && write->changed;
    } else if (operation->kind == OPERATION_ERASE_KEYS) {
        erased = operation_expiry(operation)->keys_expired;
        if (erased > 0) {
            note_keys_erased(world, request);
        }
    }
    if (request != NULL && request->erasure.complete && erased > 0) {
        world_fail(world, "nothing is erased once it is complete: request %llu",
                   (unsigned long long)request->number);
    }
    if (request != NULL) {
        request->erasure.erased += erased;
    }
}

/* ---- what is answered ---- */

/* Nothing is left that was there when it began to look through everything for the last time. A
 * write that came later shares its fate with its kept answer. */
static void check_line(struct world *world, const struct request *request,
                       const struct coming *coming)
{
    const struct erasure_log *log = &request->erasure;
    bool keyed = coming->key != KEY_NONE;
    if (coming->since_us != 0 && coming->since_us < log->pass_us) {
        world_fail(world, "of who is erased nothing is left: request %llu left a line",
                   (unsigned long long)request->number);
    }
    if (coming->since_us != 0 && keyed && coming->since_us < log->keys_us &&
        coming->since_us > log->keys_others_us &&
        log->keys_us < coming->since_us + world->plan.key_lifetime_us) {
        world_fail(world, "a write and its kept answer share their fate: request %llu",
                   (unsigned long long)request->number);
    }
}

static void check_keys(struct world *world, const struct request *request)
{
    struct operation operation = {.kind = OPERATION_LIST_KEPT,
                                  .relation = &relations[request->relation],
                                  .user = name_of('u', request->user)};
    struct batch batch = {.kind = operation.kind, .size = 1, .operations = {&operation}};
    struct instant now = {world->timeline.now_us, world->timeline.now_us};
    operation_listing(&operation)->page_size = 1000;
    model_primary_execute(&world->pg.model, &batch, now);
    const struct page *page = operation_listing(&operation)->page;
    for (size_t i = 0; i < page->size; i++) {
        int64_t kept_us = page->lines[i].created_at_us - world->plan.key_lifetime_us;
        if (kept_us < request->erasure.pass_us) {
            world_fail(world, "of who is erased nothing is left: request %llu left an answer",
                       (unsigned long long)request->number);
        }
    }
    free(operation_listing(&operation)->page);
}

static void check_complete(struct world *world, const struct request *request)
{
    for (unsigned i = 0; i < RELATION_COUNT; i++) {
        for (unsigned entity = 0; entity < ENTITIES_MAX; entity++) {
            check_line(world, request, &world->erasures.comings[i][entity][request->user]);
        }
    }
    check_keys(world, request);
}

static int64_t said_erased(const struct operation_erasure *erasure)
{
    int64_t sum = erasure->waits_erased + erasure->keys_erased;
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        sum += erasure->memberships_erased[i];
    }
    return sum;
}

void erasures_answered(struct world *world, struct request *request,
                       const struct operation *operation, enum outcome outcome)
{
    const struct operation_erasure *erasure = operation_erasure(operation);
    bool complete = outcome == OUTCOME_DONE && erasure->complete;
    bool refused = outcome == OUTCOME_UNAVAILABLE || outcome == OUTCOME_OVERLOADED;
    bool possible = outcome == OUTCOME_DONE || refused;
    if (!possible) {
        world_fail(world, "nothing is against an erasure: request %llu got %d",
                   (unsigned long long)request->number, (int)outcome);
    }
    if (refused && request->erasure.erased > 0) {
        world_fail(world, "what is refused has not been done: request %llu",
                   (unsigned long long)request->number);
    }
    if (said_erased(erasure) > request->erasure.erased) {
        world_fail(world, "what is said to be erased was: %lld of request %llu, not %lld",
                   (long long)request->erasure.erased, (unsigned long long)request->number,
                   (long long)said_erased(erasure));
    }
    if (complete) {
        check_complete(world, request);
    }
    request->erasure.complete = complete;
    world->erasures.answered++;
    world->erasures.complete += complete;
}
