/* PostgreSQL's binary formats of what batches send and receive. */
#include "rsvpd/store/pg_codec.h"

#include <assert.h>
#include <endian.h>

enum { OID_TEXT = 25, HEADER_SIZE_BYTES = 20 };

static void put_uint32(char *at, uint32_t number)
{
    number = htobe32(number);
    memcpy(at, &number, sizeof number);
}

/* Header: dimensions, whether there are NULLs, type of the elements, length and lower bound of the
 * dimension. */
static void put_header(struct pg_text_array *array)
{
    put_uint32(array->data, array->elements == 0 ? 0 : 1);
    put_uint32(array->data + 4, 0);
    put_uint32(array->data + 8, OID_TEXT);
    put_uint32(array->data + 12, array->elements);
    put_uint32(array->data + 16, 1);
    /* An empty array has no dimension and ends before its length. */
    array->size_bytes = array->elements == 0 ? 12 : array->size_bytes;
}

void pg_text_array_clear(struct pg_text_array *array)
{
    array->elements = 0;
    put_header(array);
}

void pg_text_array_add(struct pg_text_array *array, const struct identifier *id)
{
    if (array->elements == 0) {
        array->size_bytes = HEADER_SIZE_BYTES;
    }
    assert(array->size_bytes + 4 + id->size <= sizeof array->data);
    put_uint32(array->data + array->size_bytes, id->size);
    memcpy(array->data + array->size_bytes + 4, id->data, id->size);
    array->size_bytes += 4u + id->size;
    array->elements++;
    put_header(array);
}

void pg_encode_int64(int64_t number, char bytes[8])
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

int64_t pg_decode_time_us(const char *bytes)
{
    const int64_t year_2000_unix_s = 946684800;
    return pg_decode_int64(bytes) + year_2000_unix_s * 1000000;
}
