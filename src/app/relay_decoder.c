/* From what PostgreSQL streams to changes that gather for a target. */
#include "rsvpd/app/relay_decoder.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/log.h"

#include <stdio.h>

bool relay_decoder_init(struct relay_decoder *decoder, struct feed *feed)
{
    *decoder = (struct relay_decoder){.feed = feed,
                                      .changes = changes_create(CHANGES_HELD_MAX, clock_entropy())};
    return decoder->changes != NULL;
}

void relay_decoder_free(struct relay_decoder *decoder)
{
    changes_destroy(&decoder->changes);
}

void relay_decoder_begin(struct relay_decoder *decoder, const char *schema)
{
    pgoutput_tables_begin(&decoder->tables, schema);
    decoder->where = BETWEEN_TRANSACTIONS;
    changes_begin(decoder->changes);
    feed_drop_gathered(decoder->feed);
}

static void see(struct relay_decoder *decoder, uint64_t lsn)
{
    decoder->seen_lsn = lsn > decoder->seen_lsn ? lsn : decoder->seen_lsn;
}

bool relay_decoder_has_room(struct relay_decoder *decoder)
{
    struct change change;
    while (feed_has_room(decoder->feed)) {
        if (!changes_next(decoder->changes, &change)) {
            if (decoder->where == AFTER_COMMIT) {
                decoder->where = BETWEEN_TRANSACTIONS;
                feed_reach(decoder->feed, decoder->end_lsn);
            }
            return true;
        }
        feed_add(decoder->feed, decoder->commit_lsn, decoder->committed_us, &change);
    }
    return false;
}

static void note_bad_row(struct relay_decoder *decoder)
{
    int64_t left_out;
    if (log_limit_allows(&decoder->bad_row_log, clock_mono_us(), &left_out)) {
        log_event(LOG_WARN, "a row has an id that the service does not take: it is not told",
                  LOG_INT("left_out", left_out));
    }
}

static bool take_row(struct relay_decoder *decoder, const struct pgoutput_message *message,
                     char error[RELAY_DECODER_ERROR_SIZE_BYTES])
{
    struct changes_row row;
    switch (pgoutput_tables_read(&decoder->tables, message, &row)) {
    case PGOUTPUT_ROW:
        if (!changes_add(decoder->changes, &row)) {
            note_bad_row(decoder);
        }
        return true;
    case PGOUTPUT_NO_ROW:
        return true;
    case PGOUTPUT_BAD_ROW:
        break;
    }
    snprintf(error, RELAY_DECODER_ERROR_SIZE_BYTES, "the server sent a row without its key");
    return false;
}

static bool describe(struct relay_decoder *decoder, const struct pgoutput_message *message,
                     char error[RELAY_DECODER_ERROR_SIZE_BYTES])
{
    const char *missing = pgoutput_tables_describe(&decoder->tables, message);
    if (missing != NULL) {
        snprintf(error, RELAY_DECODER_ERROR_SIZE_BYTES,
                 "a table of the schema has no column %s: is this rsvpd older than the schema?",
                 missing);
    }
    return missing == NULL;
}

static bool take_message(struct relay_decoder *decoder, const struct pgoutput_message *message,
                         char error[RELAY_DECODER_ERROR_SIZE_BYTES])
{
    bool inside = decoder->where == IN_TRANSACTION;
    bool in_order = true;
    switch (message->kind) {
    case PGOUTPUT_BEGIN:
        in_order = !inside;
        decoder->where = IN_TRANSACTION;
        decoder->commit_lsn = message->lsn;
        decoder->committed_us = message->committed_us;
        changes_begin(decoder->changes);
        break;
    case PGOUTPUT_COMMIT:
        in_order = inside;
        decoder->where = AFTER_COMMIT;
        decoder->end_lsn = message->end_lsn;
        see(decoder, message->end_lsn);
        changes_end(decoder->changes);
        break;
    case PGOUTPUT_RELATION:
        return describe(decoder, message, error);
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        if (inside) {
            return take_row(decoder, message, error);
        }
        in_order = false;
        break;
    case PGOUTPUT_OTHER:
        break;
    }
    if (!in_order) {
        snprintf(error, RELAY_DECODER_ERROR_SIZE_BYTES,
                 "the server sent messages of replication out of order");
    }
    return in_order;
}

bool relay_decoder_take(struct relay_decoder *decoder, const struct pgoutput_frame *frame,
                        char error[RELAY_DECODER_ERROR_SIZE_BYTES])
{
    struct pgoutput_message message;
    assert(decoder->where != AFTER_COMMIT && changes_has_room(decoder->changes));
    if (frame->kind == PGOUTPUT_KEEPALIVE) {
        see(decoder, frame->end_lsn);
        if (decoder->where == BETWEEN_TRANSACTIONS) {
            feed_reach(decoder->feed, frame->end_lsn);
        }
        return true;
    }
    if (!pgoutput_read_message(frame->message, &message)) {
        snprintf(error, RELAY_DECODER_ERROR_SIZE_BYTES,
                 "the server sent what is no message of pgoutput");
        return false;
    }
    return take_message(decoder, &message, error);
}

int64_t relay_decoder_waiting_since_us(const struct relay_decoder *decoder)
{
    int64_t since_us = feed_waiting_since_us(decoder->feed);
    bool held = changes_are_held(decoder->changes);
    return since_us == 0 && held ? decoder->committed_us : since_us;
}
