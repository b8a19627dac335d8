/* From what PostgreSQL streams to changes that gather for a target: one frame at a time, and no
 * further than there is room. */
#ifndef RSVPD_APP_RELAY_DECODER_H
#define RSVPD_APP_RELAY_DECODER_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/log_limit.h"
#include "rsvpd/domain/feed.h"
#include "rsvpd/store/pgoutput_rows.h"

struct relay_decoder {
    struct pgoutput_tables tables;
    struct changes *changes;
    struct feed *feed; /* the owner's */
    enum {
        BETWEEN_TRANSACTIONS,
        IN_TRANSACTION,
        AFTER_COMMIT
    } where;                      /* AFTER_COMMIT: what is held
                                     still has to come out */
    uint64_t commit_lsn, end_lsn; /* of the transaction */
    int64_t committed_us;         /* Unix time */
    uint64_t seen_lsn;            /* the furthest that the server has told of */
    struct log_limit bad_row_log; /* rows with ids that no service takes */
};

enum { RELAY_DECODER_ERROR_SIZE_BYTES = 160 };

/* False when memory is exhausted. */
MUST_CHECK bool relay_decoder_init(struct relay_decoder *decoder, struct feed *feed);
void relay_decoder_free(struct relay_decoder *decoder);

/* A new session begins: what had not gone to the target comes again. `schema` is where the
 * service's tables are. */
void relay_decoder_begin(struct relay_decoder *decoder, const char *schema);

/* Moves what is ready to the feed. Whether a further frame can be taken: false where the feed is
 * full. */
bool relay_decoder_has_room(struct relay_decoder *decoder);

/* Takes a frame; there must be room. False, with `error` filled in, where it is none that we
 * understand. */
MUST_CHECK bool relay_decoder_take(struct relay_decoder *decoder,
                                   const struct pgoutput_frame *frame,
                                   char error[RELAY_DECODER_ERROR_SIZE_BYTES]);

/* When the oldest change was committed that is not confirmed; 0: there is none. */
int64_t relay_decoder_waiting_since_us(const struct relay_decoder *decoder);

#endif
