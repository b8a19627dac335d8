/* PostgreSQL's binary formats of what batches send and receive. Sources: array_recv and
 * timestamptz_send in the server; the manual's chapter on the message protocol leaves the types'
 * formats to them. */
#ifndef RSVPD_STORE_PG_CODEC_H
#define RSVPD_STORE_PG_CODEC_H

#include "rsvpd/domain/batcher.h"
#include "rsvpd/domain/idempotency_key.h"

#include <stdint.h>

enum {
    PG_NUMBER_SIZE_BYTES = 8, /* of a bigint or a timestamptz */
    PG_TEXT_SIZE_MAX_BYTES = IDEMPOTENCY_KEY_SIZE_MAX_BYTES,
    PG_ARRAY_HEADER_SIZE_BYTES = 20,
    PG_ARRAY_SIZE_MAX_BYTES =
        PG_ARRAY_HEADER_SIZE_BYTES + BATCH_SIZE_MAX * (4 + PG_TEXT_SIZE_MAX_BYTES),
};
static_assert((int)PG_TEXT_SIZE_MAX_BYTES >= IDENTIFIER_SIZE_MAX_BYTES &&
                  (int)PG_TEXT_SIZE_MAX_BYTES >= IDEMPOTENCY_KEY_SIZE_MAX_BYTES &&
                  (int)PG_TEXT_SIZE_MAX_BYTES >= SETTINGS_TAG_SIZE_MAX_BYTES &&
                  PG_TEXT_SIZE_MAX_BYTES >= PG_NUMBER_SIZE_BYTES,
              "whatever goes into an array is no longer than a text");
static_assert(PG_ARRAY_HEADER_SIZE_BYTES + (4 + 1) * (int)PRECONDITION_TAGS_SIZE_MAX_BYTES / 2 <=
                  (int)PG_ARRAY_SIZE_MAX_BYTES,
              "the tags of a precondition fit an array, also where each is of one byte");

/* Object identifiers of types: pg_type.dat in the server. */
enum pg_type { PG_TYPE_INT8 = 20, PG_TYPE_TEXT = 25, PG_TYPE_TIMESTAMPTZ = 1184 };

/* A one-dimensional array of text or of bigint, with room for a batch's
 * identifiers or keys. */
struct pg_array {
    size_t size_bytes;
    uint32_t elements;
    char data[PG_ARRAY_SIZE_MAX_BYTES];
};

/* Empty arrays: of text, of bigint. */
void pg_array_clear_text(struct pg_array *array);
void pg_array_clear_int64(struct pg_array *array);

/* Adds an element of the array's type; a text has at most PG_TEXT_SIZE_MAX_BYTES. */
void pg_array_add_text(struct pg_array *array, struct slice text);
void pg_array_add_int64(struct pg_array *array, int64_t number);

/* bigint, into and from its 8 bytes. */
void pg_encode_int64(int64_t number, char bytes[PG_NUMBER_SIZE_BYTES]);
int64_t pg_decode_int64(const char *bytes);

/* The last microsecond of the year 9999. */
#define PG_TIME_MAX_US (INT64_C(253402300800) * 1000000 - 1)

/* timestamptz, from and into its 8 bytes, in microseconds since the Unix epoch. A time outside
 * of the years 1970 to 9999, or infinity, becomes the first or the last moment of these. */
int64_t pg_decode_time_us(const char *bytes);
void pg_encode_time_us(int64_t unix_us, char bytes[PG_NUMBER_SIZE_BYTES]);

/* A parameter in its binary format; NULL where `data` is. */
struct pg_parameter {
    const char *data;
    size_t size_bytes;
    enum pg_parameter_type {
        PG_PARAMETER_NUMBER,
        PG_PARAMETER_TIME,
        PG_PARAMETER_TEXT,
        PG_PARAMETER_ARRAY
    } type;
};

struct pg_parameter pg_parameter_text(const struct identifier *id);
struct pg_parameter pg_parameter_number(const char bytes[PG_NUMBER_SIZE_BYTES]);
struct pg_parameter pg_parameter_array(const struct pg_array *array);

/* The type of a column of rows: s text, n bigint, t timestamptz; capitals may be NULL. */
enum pg_type pg_column_type(char kind);

#endif
