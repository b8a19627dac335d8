/* What can happen to Redis. None of it may fail a request or make a count lie. */
#include <stdio.h>

#include "fake_redis.h"
#include "fault.h"
#include "process.h"

enum {
    TURNS_MS = 20,
};

#define SLOWER_MAX 1.1

/* ---- the server ---- */

static void kill_redis(struct stand *stand)
{
    redis_server_kill(stand->redis);
}

static void start_redis(struct stand *stand)
{
    redis_server_start(stand->redis);
}

static void halt(struct stand *stand)
{
    redis_server_pause(stand->redis);
}

static void resume(struct stand *stand)
{
    redis_server_resume(stand->redis);
}

static void flush(struct stand *stand)
{
    redis_server_flush(stand->redis);
}

static void flush_again_and_again(struct stand *stand, int64_t until_ms)
{
    while (process_now_ms() < until_ms && !crowd_has_ended(stand->crowd)) {
        redis_server_flush(stand->redis);
        stand_wait_ms(stand, TURNS_MS);
    }
}

/* ---- another one in its place ---- */

static struct fake_redis *fake;

static void replace_redis(struct stand *stand)
{
    redis_server_kill(stand->redis);
    fake = fake_redis_create(redis_server_url(stand->redis), fake_redis_tricks,
                             fake_redis_trick_count);
}

static void end_fake(struct stand *stand)
{
    (void)stand;
    fake_redis_destroy(&fake);
}

static void restore_redis(struct stand *stand)
{
    end_fake(stand);
    redis_server_start(stand->redis);
}

/* ---- a replica ---- */

static void make_replica(struct stand *stand)
{
    redis_server_execute(stand->redis, "REPLICAOF 127.0.0.1 1");
}

static void make_primary(struct stand *stand)
{
    redis_server_execute(stand->redis, "REPLICAOF NO ONE");
}

/* ---- memory ---- */

static void fill_up(struct stand *stand)
{
    redis_server_execute(stand->redis, "CONFIG SET maxmemory-policy noeviction maxmemory 1");
}

static void make_room(struct stand *stand)
{
    redis_server_execute(stand->redis, "CONFIG SET maxmemory 0");
}

/* ---- commands under other names ---- */

static const char *const renamed[] = {"--rename-command",
                                      "EVALSHA",
                                      "",
                                      "--rename-command",
                                      "EVAL",
                                      "",
                                      "--rename-command",
                                      "MGET",
                                      "",
                                      NULL};

static void restart_with(struct stand *stand, const char *const *arguments)
{
    redis_server_heal(stand->redis);
    redis_server_stop(stand->redis);
    redis_server_set_arguments(stand->redis, arguments);
    redis_server_start(stand->redis);
}

static void rename_commands(struct stand *stand)
{
    restart_with(stand, renamed);
}

static void name_commands(struct stand *stand)
{
    restart_with(stand, NULL);
}

/* ---- what is under our keys ---- */

/* Puts something under the keys of every client's own things, in one step: the services write to
 * them meanwhile. */
static void spoil(struct stand *stand, const char *command, const char *value)
{
    redis_server_execute(stand->redis, "EVAL %s 0 %s %s",
                         "for _, key in ipairs(redis.call('KEYS', 'rsvpd:2:*:own-*')) do"
                         "  redis.call('DEL', key)"
                         "  redis.call(ARGV[1], key, ARGV[2])"
                         " end",
                         command, value);
}

static void spoil_again_and_again(struct stand *stand, int64_t until_ms, const char *command,
                                  const char *const *values)
{
    for (size_t i = 0; process_now_ms() < until_ms && !crowd_has_ended(stand->crowd); i++) {
        i = values[i] == NULL ? 0 : i;
        spoil(stand, command, values[i]);
        stand_wait_ms(stand, TURNS_MS);
    }
}

static void put_lists(struct stand *stand, int64_t until_ms)
{
    spoil_again_and_again(stand, until_ms, "RPUSH", (const char *const[]){"1:2:3", NULL});
}

static void put_rubbish(struct stand *stand, int64_t until_ms)
{
    static const char *const values[] = {
        "",
        ":",
        "::",
        "1:2",
        "1:2:3:4",
        "-1:0:7",
        "1:1:-5",
        "99999999999999999999:1:1",
        "9223372036854775807:9223372036854775807:9223372036854775807",
        "1:9223372036854775807:1000000",
        "0x10:0x10:0x10",
        "1e3:1e3:1e3",
        " 1: 2: 3",
        "nan:inf:null",
        "1\n:2:3",
        "\"}{\"rsvp_count\":1",
        NULL};
    spoil_again_and_again(stand, until_ms, "SET", values);
}

const struct fault faults_redis[] = {
    {
        .name = "redis-killed",
        .promise = "Redis killed: writes and look-ups unaffected, counts inside their bound",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .is_short = true,
        .slower_max = SLOWER_MAX,
        .begin = kill_redis,
        .end = start_redis,
    },
    {
        .name = "redis-stopped",
        .promise = "Redis stopped for 10 s: the same",
        .lasts_ms = 10000,
        .back_ms = 1000,
        .slower_max = SLOWER_MAX,
        .begin = halt,
        .end = resume,
    },
    {
        .name = "redis-flushed",
        .promise = "Redis flushed, again and again: the same",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .slower_max = SLOWER_MAX,
        .begin = flush,
        .go_on = flush_again_and_again,
    },
    {
        .name = "redis-hostile",
        .promise = "a Redis that sends what nobody asked for, of any size and form: the same",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .is_short = true,
        .slower_max = SLOWER_MAX,
        .begin = replace_redis,
        .end = restore_redis,
        .clean_up = end_fake,
    },
    {
        .name = "redis-replica",
        .promise = "Redis made a read-only replica, and a primary again: the same",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .is_short = true,
        .slower_max = SLOWER_MAX,
        .begin = make_replica,
        .end = make_primary,
        .clean_up = make_primary,
    },
    {
        .name = "redis-full",
        .promise = "Redis full (maxmemory, noeviction): the same",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .slower_max = SLOWER_MAX,
        .begin = fill_up,
        .end = make_room,
        .clean_up = make_room,
    },
    {
        .name = "redis-renamed",
        .promise = "commands renamed in Redis: the same",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .slower_max = SLOWER_MAX,
        .begin = rename_commands,
        .end = name_commands,
        .clean_up = name_commands,
    },
    {
        .name = "redis-types",
        .promise = "keys of the wrong type in Redis: the same",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .slower_max = SLOWER_MAX,
        .go_on = put_lists,
    },
    {
        .name = "redis-rubbish",
        .promise = "garbage and hostile values under our keys: the same",
        .lasts_ms = 5000,
        .back_ms = 1000,
        .is_short = true,
        .slower_max = SLOWER_MAX,
        .go_on = put_rubbish,
    },
};
const size_t faults_redis_count = sizeof faults_redis / sizeof faults_redis[0];
