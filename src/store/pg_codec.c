/* PostgreSQL's binary formats of what batches send and receive. */
#include "rsvpd/store/pg_codec.h"

#include <assert.h>
#include <endian.h>

static_assert(sizeof(int64_t) == PG_NUMBER_SIZE_BYTES, "a bigint is an int64_t");

static void put_uint32(char *at, uint32_t number)
{
    number = htobe32(number);
    memcpy(at, &number, sizeof number);
}

/* Header: dimensions, whether there are NULLs, type of the elements, length and lower bound of the
 * dimension. An empty array has no dimension and ends before its length. */
static void clear(struct pg_array *array, uint32_t type)
{
    array->elements = 0;
    array->size_bytes = 12;
    put_uint32(array->data, 0);
    put_uint32(array->data + 4, 0);
    put_uint32(array->data + 8, type);
}

void pg_array_clear_text(struct pg_array *array)
{
    clear(array, PG_TYPE_TEXT);
}

void pg_array_clear_int64(struct pg_array *array)
{
    clear(array, PG_TYPE_INT8);
}

static void add(struct pg_array *array, struct slice bytes)
{
    if (array->elements == 0) {
        put_uint32(array->data, 1);
        put_uint32(array->data + 16, 1);
        array->size_bytes = PG_ARRAY_HEADER_SIZE_BYTES;
    }
    assert(array->size_bytes + 4 + bytes.size <= sizeof array->data);
    put_uint32(array->data + array->size_bytes, (uint32_t)bytes.size);
    memcpy(array->data + array->size_bytes + 4, bytes.data, bytes.size);
    array->size_bytes += 4u + bytes.size;
    array->elements++;
    put_uint32(array->data + 12, array->elements);
}

void pg_array_add_text(struct pg_array *array, struct slice text)
{
    assert(text.size <= PG_TEXT_SIZE_MAX_BYTES);
    add(array, text);
}

void pg_array_add_int64(struct pg_array *array, int64_t number)
{
    char bytes[PG_NUMBER_SIZE_BYTES];
    pg_encode_int64(number, bytes);
    add(array, slice_make(bytes, sizeof bytes));
}

void pg_encode_int64(int64_t number, char bytes[PG_NUMBER_SIZE_BYTES])
{
    uint64_t big_endian = htobe64((uint64_t)number);
    memcpy(bytes, &big_endian, sizeof big_endian);
}

int64_t pg_decode_int64(const char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return (int64_t)be64toh(number);
}

/* PostgreSQL counts from the year 2000. */
static const int64_t epoch_us = INT64_C(946684800) * 1000000;

int64_t pg_decode_time_us(const char *bytes)
{
    int64_t time = pg_decode_int64(bytes);
    int64_t first = -epoch_us, last = PG_TIME_MAX_US - epoch_us;
    return (time < first ? first : time > last ? last : time) + epoch_us;
}

void pg_encode_time_us(int64_t unix_us, char bytes[PG_NUMBER_SIZE_BYTES])
{
    pg_encode_int64(unix_us - epoch_us, bytes);
}

/* ---- parameters and columns ---- */

struct pg_parameter pg_parameter_text(const struct identifier *id)
{
    return (struct pg_parameter){id->data, id->size, PG_PARAMETER_TEXT};
}

struct pg_parameter pg_parameter_number(const char bytes[PG_NUMBER_SIZE_BYTES])
{
    return (struct pg_parameter){bytes, PG_NUMBER_SIZE_BYTES, PG_PARAMETER_NUMBER};
}

struct pg_parameter pg_parameter_array(const struct pg_array *array)
{
    return (struct pg_parameter){array->data, array->size_bytes, PG_PARAMETER_ARRAY};
}

enum pg_type pg_column_type(char kind)
{
    return kind == 's'                  ? PG_TYPE_TEXT
           : kind == 'n' || kind == 'N' ? PG_TYPE_INT8
                                        : PG_TYPE_TIMESTAMPTZ;
}
