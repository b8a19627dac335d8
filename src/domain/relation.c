/* The relations that the one engine serves. */
#include "rsvpd/domain/relation.h"

#define RELATION(ID, word, plural, id_word, flag_word, settings, table)                            \
    [RELATION_##ID] = {.id = RELATION_##ID,                                                        \
                       .name = (word),                                                             \
                       .collection = (plural),                                                     \
                       .id_member = (id_word),                                                     \
                       .count_member = word "_count",                                              \
                       .flag_member = (flag_word),                                                 \
                       .has_settings = (settings),                                                 \
                       .members_table = (table),                                                   \
                       .counters_table = word "_counters"},
const struct relation relations[RELATION_COUNT] = {RELATIONS(RELATION)};
