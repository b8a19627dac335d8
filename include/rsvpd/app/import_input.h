/* The input of an import: the rows of a file, and its bad lines. */
#ifndef RSVPD_APP_IMPORT_INPUT_H
#define RSVPD_APP_IMPORT_INPUT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/csv.h"
#include "rsvpd/domain/import_row.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    IMPORT_CHUNK_ROWS = 20000, /* one transaction: it holds up a writer of the same pair so long */
    IMPORT_CHUNK_SIZE_BYTES = 4 << 20,  /* of its lines */
    IMPORT_BUFFER_SIZE_BYTES = 1 << 20, /* read at once */
};

/* Lines that are applied together. */
struct import_chunk {
    size_t count;
    struct import_row rows[IMPORT_CHUNK_ROWS];
    int64_t numbers[IMPORT_CHUNK_ROWS];    /* of the lines */
    struct slice lines[IMPORT_CHUNK_ROWS]; /* as they came, in `text` */
    size_t size;
    char text[IMPORT_CHUNK_SIZE_BYTES];
};

struct import_input {
    int fd;
    const char *name;   /* for people */
    int64_t size_bytes; /* 0: not known */
    int64_t read_bytes;
    bool ended;    /* the file has nothing more */
    bool finished; /* all lines were given out */
    struct import_columns columns;
    struct slice header;   /* as it came, in header_text */
    FILE *skipped;         /* where bad lines go, or NULL: the first one ends the import */
    bool skipped_mid_line; /* what was written there last did not end its line */
    int64_t line_count;    /* without the header */
    int64_t bad_count;
    struct csv_lines lines;
    char header_text[CSV_LINE_SIZE_MAX_BYTES];
    char buffer[IMPORT_BUFFER_SIZE_BYTES];
    struct import_chunk chunk;
};

/* These say on standard error what is wrong where they return false. */

/* Opens the file (NULL or "-": standard input) and reads its header. */
MUST_CHECK bool import_input_open(struct import_input *input, const char *path,
                                  const struct import_kind *kind);
void import_input_close(struct import_input *input);

/* Sends bad lines to a file from now on, the header first. */
MUST_CHECK bool import_input_skip_to(struct import_input *input, const char *path);

/* Fills the chunk, as far as there are lines. */
MUST_CHECK bool import_input_read(struct import_input *input);

/* Removes the refused rows from the chunk, and handles them as bad lines with this reason. At least
 * one is refused. */
MUST_CHECK bool import_input_refuse(struct import_input *input, const bool *refused,
                                    const char *reason);

/* What went to the file of bad lines is written. */
MUST_CHECK bool import_input_flush(struct import_input *input);

#endif
