/* Times as RFC 3339 writes them. */
#include "rsvpd/base/rfc3339.h"

static const int64_t us_per_second = 1000000;
static const int64_t end_of_9999_s = 253402300800; /* 10000-01-01T00:00:00Z */

/* The fields as they are written. */
struct fields {
    int year, month, day, hour, minute, second;
    int64_t fraction_us;
    int offset_s; /* what local time is ahead of UTC */
};

/* Takes exactly so many digits off the front. */
static bool parse_digits(struct slice *rest, size_t count, int *number)
{
    if (rest->size < count) {
        return false;
    }
    *number = 0;
    for (size_t i = 0; i < count; i++) {
        char c = rest->data[i];
        if (c < '0' || c > '9') {
            return false;
        }
        *number = *number * 10 + (c - '0');
    }
    *rest = slice_make(rest->data + count, rest->size - count);
    return true;
}

/* Takes one of these characters off the front; 0 where none of them stands there. */
static char parse_one_of(struct slice *rest, const char *characters)
{
    if (rest->size == 0 || rest->data[0] == '\0' || strchr(characters, rest->data[0]) == NULL) {
        return '\0';
    }
    char c = rest->data[0];
    *rest = slice_make(rest->data + 1, rest->size - 1);
    return c;
}

/* Takes two digits of at most `max`. */
static bool parse_field(struct slice *rest, int max, int *number)
{
    return parse_digits(rest, 2, number) && *number <= max;
}

static bool parse_date(struct slice *rest, struct fields *out)
{
    return parse_digits(rest, 4, &out->year) && parse_one_of(rest, "-") &&
           parse_field(rest, 12, &out->month) && parse_one_of(rest, "-") &&
           parse_field(rest, 31, &out->day);
}

static bool parse_time(struct slice *rest, struct fields *out)
{
    return parse_field(rest, 23, &out->hour) && parse_one_of(rest, ":") &&
           parse_field(rest, 59, &out->minute) && parse_one_of(rest, ":") &&
           parse_field(rest, 59, &out->second);
}

/* The fraction, if there is one: a point and at least one digit. */
static bool parse_fraction(struct slice *rest, int64_t *fraction_us)
{
    int64_t unit_us = us_per_second / 10;
    int digit;
    *fraction_us = 0;
    if (!parse_one_of(rest, ".")) {
        return true;
    }
    if (!parse_digits(rest, 1, &digit)) {
        return false;
    }
    do {
        *fraction_us += digit * unit_us;
        unit_us /= 10;
    } while (parse_digits(rest, 1, &digit));
    return true;
}

static bool parse_offset(struct slice *rest, int *offset_s)
{
    int hours, minutes;
    *offset_s = 0;
    if (parse_one_of(rest, "Zz")) {
        return true;
    }
    char sign = parse_one_of(rest, "+-");
    if (sign == '\0' || !parse_field(rest, 23, &hours) || !parse_one_of(rest, ":") ||
        !parse_field(rest, 59, &minutes)) {
        return false;
    }
    *offset_s = (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
    return true;
}

static bool is_leap_year(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool date_exists(const struct fields *f)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (f->month < 1 || f->day < 1) {
        return false;
    }
    return f->day <= days[f->month - 1] + (f->month == 2 && is_leap_year(f->year));
}

/* Days since 1970-01-01 in the Gregorian calendar: years are taken to begin in March, so that the
 * leap day is the last of its year. */
static int64_t days_since_epoch(const struct fields *f)
{
    int64_t year = f->month > 2 ? f->year : f->year - 1;
    int64_t month = f->month > 2 ? f->month - 3 : f->month + 9;
    int64_t day_of_year = (153 * month + 2) / 5 + f->day - 1;
    return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

bool rfc3339_parse(struct slice text, int64_t *unix_us)
{
    struct fields f;
    if (!parse_date(&text, &f) || !parse_one_of(&text, "Tt") || !parse_time(&text, &f) ||
        !parse_fraction(&text, &f.fraction_us) || !parse_offset(&text, &f.offset_s) ||
        text.size > 0 || !date_exists(&f)) {
        return false;
    }
    int64_t seconds =
        ((days_since_epoch(&f) * 24 + f.hour) * 60 + f.minute) * 60 + f.second - f.offset_s;
    if (seconds < 0 || seconds >= end_of_9999_s) {
        return false;
    }
    *unix_us = seconds * us_per_second + f.fraction_us;
    return true;
}
