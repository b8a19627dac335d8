/* The two relations that the one engine serves. */
#include "rsvpd/domain/relation.h"

const struct relation relations[RELATION_COUNT] = {
    [RELATION_RSVP] = {.id = RELATION_RSVP,
                       .name = "rsvp",
                       .collection = "events",
                       .action = "rsvp",
                       .id_member = "event_id",
                       .count_member = "rsvp_count",
                       .flag_member = "has_rsvped",
                       .has_settings = true,
                       .members_table = "rsvps",
                       .counters_table = "rsvp_counters"},
    [RELATION_LIKE] = {.id = RELATION_LIKE,
                       .name = "like",
                       .collection = "posts",
                       .action = "like",
                       .id_member = "post_id",
                       .count_member = "like_count",
                       .flag_member = "has_liked",
                       .has_settings = false,
                       .members_table = "likes",
                       .counters_table = "like_counters"},
};
