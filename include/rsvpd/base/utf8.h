/* UTF-8 as Unicode defines it. */
#ifndef RSVPD_BASE_UTF8_H
#define RSVPD_BASE_UTF8_H

#include "rsvpd/base/slice.h"

/* The length of the well-formed sequence of several bytes at the start of `s`, which is not empty;
 * 0 where there is none (Unicode 15, table 3-7). */
size_t utf8_sequence(struct slice s);

#endif
