/* Members of events, as many as a database of any size needs: CSV for `rsvpd import`, and samples
 * of it for streams of requests (bench/scale_works.py).
 *
 * DESIGN. A population of ROWS members is a function of ROWS alone, and never in memory: member
 * number i is in the event in whose range of numbers i lies, and which user that is says a
 * permutation of all users that is the event's own. So all lines differ, and there are exactly
 * ROWS.
 *
 * How many members an event has follows the law of Zipf and Mandelbrot: C / (rank + Q), which past
 * the first ranks is Zipf's 1 / rank. Q is such that the largest event has one of a hundred of all
 * members: by Zipf's law alone the largest event of a million would have seven times as many. There
 * are a hundred times fewer events than members. Events are called by their rank, from 0, and users
 * by numbers below 100 million, in decimals.
 *
 * The order of the lines is a permutation of its own for each KEY; a shorter run with the same KEY
 * writes the beginning of a longer one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    USERS = 100 * 1000 * 1000,
    ROWS_PER_EVENT = 100,          /* on average */
    LARGEST_SHARE = 100,           /* of all members one in so many is in the largest event */
    ROWS_MIN = 20 * 1000,          /* with fewer no law of this kind has a largest event so small */
    ROWS_MAX = 1000 * 1000 * 1000, /* the largest event has not more members than there are users */
    SHUFFLE_ROUNDS = 4,
};

struct population {
    uint64_t rows;
    uint64_t event_count;
    uint64_t *starts; /* event_count + 1: the number of each event's first member, and of all */
};

/* ---- sizes of events ---- */

/* How many times the largest event's members all have together, as a law with that Q has it. */
static double size_of_all(uint64_t event_count, double q)
{
    double sum = 0;
    for (uint64_t rank = 0; rank < event_count; rank++) {
        sum += q / ((double)rank + q);
    }
    return sum;
}

static double find_q(uint64_t event_count)
{
    double low = 0, high = (double)event_count;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (size_of_all(event_count, middle) < (double)LARGEST_SHARE) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return high;
}

/* What rounding down leaves over, less than one member an event, goes to the ranks after the first.
 */
static void distribute(struct population *population)
{
    uint64_t largest = population->rows / LARGEST_SHARE;
    double q = find_q(population->event_count);
    uint64_t *starts = population->starts;
    uint64_t left = population->rows - largest;
    starts[1] = largest;
    for (uint64_t rank = 1; rank < population->event_count; rank++) {
        starts[rank + 1] = (uint64_t)((double)largest * q / ((double)rank + q));
        left -= starts[rank + 1];
    }
    for (uint64_t rank = 1; rank < population->event_count; rank++) {
        starts[rank + 1] += starts[rank] + (rank <= left);
    }
}

static uint64_t event_of(const struct population *population, uint64_t member)
{
    uint64_t low = 0, high = population->event_count; /* starts[low] <= member < starts[high] */
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (population->starts[middle] <= member) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- permutations ---- */

/* Sebastiano Vigna's splitmix64. */
static uint64_t mix(uint64_t number)
{
    number += 0x9e3779b97f4a7c15;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
    number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
    return number ^ (number >> 31);
}

/* The place of the number, below size, in the permutation of that key. Each step has an inverse on
 * the numbers of so many bits; those that are not below size are sent on until they are. */
static uint64_t shuffle(uint64_t number, uint64_t size, uint64_t key)
{
    int bits = 64 - __builtin_clzll(size - 1);
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    do {
        uint64_t round_key = key;
        for (int round = 0; round < SHUFFLE_ROUNDS; round++) {
            round_key = mix(round_key);
            number = (number + round_key) * 0xd1342543de82ef95 & mask; /* an odd factor */
            number ^= number >> (bits / 2);
        }
    } while (number >= size);
    return number;
}

/* ---- lines ---- */

/* Behind what is written already; answers the end. */
static char *put_number(char *end, uint64_t number)
{
    char digits[20];
    size_t size = 0;
    do {
        digits[sizeof digits - ++size] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(end, digits + sizeof digits - size, size);
    return end + size;
}

static void put_line(const struct population *population, uint64_t member)
{
    char line[48];
    uint64_t event = event_of(population, member);
    char *end = put_number(line, event);
    *end++ = ',';
    end = put_number(end, shuffle(member - population->starts[event], USERS, event));
    *end++ = '\n';
    fwrite(line, 1, (size_t)(end - line), stdout);
}

static void write_lines(const struct population *population, uint64_t key, uint64_t count)
{
    puts("event_id,user_id");
    for (uint64_t i = 0; i < count && !ferror(stdout); i++) {
        put_line(population, shuffle(i, population->rows, key));
    }
}

static uint64_t parse_number(const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < min || value > max) {
        fprintf(stderr, "population: '%s' is not a number from %" PRIu64 " to %" PRIu64 "\n", text,
                min, max);
        exit(2);
    }
    return value;
}

int main(int count, char **arguments)
{
    if (count != 4) {
        fputs("usage: population ROWS KEY COUNT\n", stderr);
        return 2;
    }
    struct population population = {.rows = parse_number(arguments[1], ROWS_MIN, ROWS_MAX)};
    if (population.rows % ROWS_PER_EVENT != 0) {
        fprintf(stderr, "population: %s is not a multiple of %d\n", arguments[1], ROWS_PER_EVENT);
        return 2;
    }
    population.event_count = population.rows / ROWS_PER_EVENT;
    population.starts = calloc(population.event_count + 1, sizeof *population.starts);
    if (population.starts == NULL) {
        perror("population");
        return 1;
    }
    distribute(&population);
    write_lines(&population, parse_number(arguments[2], 0, UINT64_MAX),
                parse_number(arguments[3], 0, population.rows));
    free(population.starts);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("population");
        return 1;
    }
    return 0;
}
