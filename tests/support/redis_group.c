/* A Redis with replicas, and the sentinels that watch over them. */
#include "redis_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "process.h"
#include "sentinel.h"
#include "service.h"

enum { BOUND_MS = 60000, ASK_TIMEOUT_US = 1000000, ARGUMENTS = 16, TEXT_SIZE = 16 };

struct node {
    struct redis_server *server;
    uint16_t port;
    int lock;
    char port_text[TEXT_SIZE];
    const char *arguments[ARGUMENTS];
};

struct redis_group {
    struct node nodes[REDIS_GROUP_NODES];
    struct sentinel sentinels[REDIS_GROUP_SENTINELS], guard;
    char addresses[128];
};

/* ---- asking sentinels ---- */

/* NULL where there is no answer. */
static redisReply *ask(uint16_t port, const char *command)
{
    const struct timeval timeout = {.tv_usec = ASK_TIMEOUT_US - 1};
    redisContext *context = redisConnectWithTimeout("127.0.0.1", port, timeout);
    redisReply *reply = NULL;
    if (context != NULL && context->err == 0 && redisSetTimeout(context, timeout) == REDIS_OK) {
        reply = redisCommand(context, command);
    }
    redisFree(context);
    return reply;
}

/* Which node a sentinel says is the primary; REDIS_GROUP_NODES: none of them. */
static unsigned told_by(const struct redis_group *group, const struct sentinel *sentinel)
{
    redisReply *reply = ask(sentinel->port, "SENTINEL GET-MASTER-ADDR-BY-NAME " REDIS_GROUP_NAME);
    unsigned node = 0;
    const bool good = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2;
    while (node < REDIS_GROUP_NODES &&
           !(good && strcmp(reply->element[1]->str, group->nodes[node].port_text) == 0)) {
        node++;
    }
    freeReplyObject(reply);
    return node;
}

static unsigned told_by_all(const struct redis_group *group)
{
    unsigned node = REDIS_GROUP_NODES;
    for (unsigned i = 0; i < REDIS_GROUP_SENTINELS; i++) {
        if (group->sentinels[i].pid != 0) {
            const unsigned told = told_by(group, &group->sentinels[i]);
            if (told == REDIS_GROUP_NODES || (node != REDIS_GROUP_NODES && told != node)) {
                return REDIS_GROUP_NODES;
            }
            node = told;
        }
    }
    return node;
}

/* The value behind that name in what SENTINEL MASTER answers, as a number. */
static long field(const redisReply *reply, const char *name)
{
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        if (strcmp(reply->element[i]->str, name) == 0) {
            return strtol(reply->element[i + 1]->str, NULL, 10);
        }
    }
    return -1;
}

/* Whether the list that the command answers has so many members, all of which are well. */
static bool all_are_well(const struct sentinel *sentinel, const char *command, size_t count)
{
    redisReply *reply = ask(sentinel->port, command);
    bool well = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == count;
    for (size_t i = 0; well && i < count; i++) {
        const redisReply *member = reply->element[i];
        for (size_t j = 0; j + 1 < member->elements; j += 2) {
            const char *name = member->element[j]->str, *value = member->element[j + 1]->str;
            well = well && !(strcmp(name, "flags") == 0 && strstr(value, "down") != NULL) &&
                   !(strcmp(name, "master-link-status") == 0 && strcmp(value, "ok") != 0);
        }
    }
    freeReplyObject(reply);
    return well;
}

static bool is_well(const struct sentinel *sentinel)
{
    redisReply *reply = ask(sentinel->port, "SENTINEL MASTER " REDIS_GROUP_NAME);
    const bool well = reply != NULL && reply->type == REDIS_REPLY_ARRAY &&
                      field(reply, "num-slaves") == REDIS_GROUP_NODES - 1 &&
                      field(reply, "num-other-sentinels") == REDIS_GROUP_SENTINELS - 1;
    freeReplyObject(reply);
    return well &&
           all_are_well(sentinel, "SENTINEL REPLICAS " REDIS_GROUP_NAME, REDIS_GROUP_NODES - 1) &&
           all_are_well(sentinel, "SENTINEL SENTINELS " REDIS_GROUP_NAME,
                        REDIS_GROUP_SENTINELS - 1);
}

static void await_well(const struct redis_group *group)
{
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    for (unsigned i = 0; i < REDIS_GROUP_SENTINELS; i++) {
        while (!is_well(&group->sentinels[i])) {
            if (process_now_ms() > end_ms) {
                process_fail("sentinel %u does not find all to be well", i);
            }
            process_nap();
        }
    }
    (void)redis_group_primary(group);
}

unsigned redis_group_primary(const struct redis_group *group)
{
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    unsigned node;
    while ((node = told_by_all(group)) == REDIS_GROUP_NODES) {
        if (process_now_ms() > end_ms) {
            process_fail("the sentinels do not agree on a primary");
        }
        process_nap();
    }
    return node;
}

unsigned redis_group_await_failover(const struct redis_group *group, unsigned former)
{
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    unsigned node;
    while ((node = redis_group_primary(group)) == former) {
        if (process_now_ms() > end_ms) {
            process_fail("the sentinels do not fail over");
        }
        process_nap();
    }
    return node;
}

void redis_group_fail_over(const struct redis_group *group)
{
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    bool begun = false;
    while (!begun) { /* NOGOODSLAVE, INPROG: the last one is not over yet */
        redisReply *reply = ask(group->sentinels[0].port, "SENTINEL FAILOVER " REDIS_GROUP_NAME);
        begun = reply != NULL && reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
        if (!begun && process_now_ms() > end_ms) {
            process_fail("the sentinel does not begin a failover");
        }
        process_nap();
    }
}

/* ---- nodes ---- */

static void create_node(struct node *node)
{
    node->port = port_reserve(&node->lock);
    snprintf(node->port_text, sizeof node->port_text, "%u", (unsigned)node->port);
    const char *const arguments[] = {
        "--bind", "127.0.0.1", "--port", node->port_text, "--repl-diskless-sync-delay", "0", NULL};
    memcpy(node->arguments, arguments, sizeof arguments);
    node->server = redis_server_create();
    redis_server_stop(node->server);
    redis_server_set_arguments(node->server, node->arguments);
    redis_server_start(node->server);
}

struct redis_server *redis_group_node(const struct redis_group *group, unsigned node)
{
    return group->nodes[node].server;
}

uint16_t redis_group_port(const struct redis_group *group, unsigned node)
{
    return group->nodes[node].port;
}

/* ---- sentinels ---- */

void redis_group_start_sentinels(struct redis_group *group)
{
    const struct sentinel_watch watch = {
        .name = REDIS_GROUP_NAME, .primary = group->nodes[0].port, .quorum = 2, .lines = ""};
    for (unsigned i = 0; i < REDIS_GROUP_SENTINELS; i++) {
        sentinel_start(&group->sentinels[i], &watch);
    }
}

void redis_group_stop_sentinels(struct redis_group *group)
{
    for (unsigned i = 0; i < REDIS_GROUP_SENTINELS; i++) {
        sentinel_stop(&group->sentinels[i]);
    }
}

uint16_t redis_group_guard(struct redis_group *group, const char *lines)
{
    const struct sentinel_watch watch = {.name = REDIS_GROUP_GUARDED_NAME,
                                         .primary = group->nodes[redis_group_primary(group)].port,
                                         .quorum = 1,
                                         .lines = lines};
    sentinel_create(&group->guard);
    sentinel_start(&group->guard, &watch);
    return group->guard.port;
}

const char *redis_group_sentinels(const struct redis_group *group)
{
    return group->addresses;
}

/* ---- all of it ---- */

struct redis_group *redis_group_create(void)
{
    struct redis_group *group = calloc(1, sizeof *group);
    for (unsigned i = 0; i < REDIS_GROUP_NODES; i++) {
        create_node(&group->nodes[i]);
        if (i > 0) {
            redis_server_execute(group->nodes[i].server, "REPLICAOF 127.0.0.1 %u",
                                 (unsigned)group->nodes[0].port);
        }
    }
    size_t size = 0;
    for (unsigned i = 0; i < REDIS_GROUP_SENTINELS; i++) {
        struct sentinel *sentinel = &group->sentinels[i];
        sentinel_create(sentinel);
        size += (size_t)snprintf(group->addresses + size, sizeof group->addresses - size,
                                 "%s127.0.0.1:%u", i == 0 ? "" : ",", (unsigned)sentinel->port);
    }
    redis_group_start_sentinels(group);
    await_well(group);
    return group;
}

void redis_group_destroy(struct redis_group **group_)
{
    struct redis_group *group = *group_;
    if (group == NULL) {
        return;
    }
    sentinel_destroy(&group->guard);
    for (unsigned i = 0; i < REDIS_GROUP_SENTINELS; i++) {
        sentinel_destroy(&group->sentinels[i]);
    }
    for (unsigned i = 0; i < REDIS_GROUP_NODES; i++) {
        redis_server_destroy(&group->nodes[i].server);
        close(group->nodes[i].lock);
    }
    free(group);
    *group_ = NULL;
}

void redis_group_heal(struct redis_group *group)
{
    for (unsigned i = 0; i < REDIS_GROUP_NODES; i++) {
        redis_server_heal(group->nodes[i].server);
    }
    redis_group_start_sentinels(group);
    await_well(group);
}
