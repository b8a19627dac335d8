/* A strict reader of the Prometheus text format.
 * https://prometheus.io/docs/instrumenting/exposition_formats/ */
#include "prometheus.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define DIGITS "0123456789"

static bool complain(struct prometheus *metrics, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool complain(struct prometheus *metrics, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(metrics->error, sizeof metrics->error, format, arguments);
    va_end(arguments);
    return false;
}

/* Takes a name off the front of *text; colons are for metric names alone. */
static bool take_name(const char **text, char name[PROMETHEUS_NAME_SIZE], const char *allowed)
{
    const size_t size = strspn(*text, allowed);
    if (size == 0 || size >= PROMETHEUS_NAME_SIZE || strchr(DIGITS, **text) != NULL) {
        return false;
    }
    memcpy(name, *text, size);
    name[size] = '\0';
    *text += size;
    return true;
}

/* Room for one more behind `count`: doubled each time it is used up. */
static void *grow(void *array, size_t count, size_t element_size)
{
    const bool is_full = (count & (count - 1)) == 0;
    return is_full ? realloc(array, (count == 0 ? 1 : 2 * count) * element_size) : array;
}

/* ---- families ---- */

static struct prometheus_family *find_family(struct prometheus *metrics, const char *name)
{
    for (size_t i = 0; i < metrics->family_count; i++) {
        if (strcmp(metrics->families[i].name, name) == 0) {
            return &metrics->families[i];
        }
    }
    return NULL;
}

static struct prometheus_family *add_family(struct prometheus *metrics, const char *name)
{
    metrics->families = grow(metrics->families, metrics->family_count, sizeof *metrics->families);
    struct prometheus_family *family = &metrics->families[metrics->family_count++];
    *family = (struct prometheus_family){.has_help = false};
    snprintf(family->name, sizeof family->name, "%s", name);
    return family;
}

static bool is_type(const char *text)
{
    static const char *const types[] = {"counter", "gauge", "histogram", "summary", "untyped"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(text, types[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* "# HELP name text" and "# TYPE name type"; other comments are ignored. */
static bool parse_comment(struct prometheus *metrics, const char *line)
{
    const bool help = strncmp(line, "# HELP ", 7) == 0;
    const bool type = strncmp(line, "# TYPE ", 7) == 0;
    char name[PROMETHEUS_NAME_SIZE];
    const char *rest = line + 7;
    if (!help && !type) {
        return true;
    }
    if (!take_name(&rest, name, LETTERS DIGITS ":") || *rest++ != ' ' || *rest == '\0') {
        return complain(metrics, "malformed: %s", line);
    }
    struct prometheus_family *family = find_family(metrics, name);
    family = family != NULL ? family : add_family(metrics, name);
    if (family != &metrics->families[metrics->family_count - 1]) {
        return complain(metrics, "the family is not in one piece: %s", line);
    }
    if (help ? family->has_help : family->type[0] != '\0') {
        return complain(metrics, "twice: %s", line);
    }
    if (help) {
        family->has_help = true;
        return true;
    }
    snprintf(family->type, sizeof family->type, "%s", rest);
    return is_type(rest) || complain(metrics, "unknown type: %s", line);
}

/* ---- samples ---- */

static bool take_label_value(const char **text, char value[PROMETHEUS_VALUE_SIZE])
{
    size_t size = 0;
    const char *rest = *text;
    if (*rest++ != '"') {
        return false;
    }
    for (; *rest != '"'; rest++) {
        const bool escape = *rest == '\\';
        rest += escape;
        if (*rest == '\0' || size + 1 >= PROMETHEUS_VALUE_SIZE ||
            (escape && strchr("\\\"n", *rest) == NULL)) {
            return false;
        }
        value[size++] = *rest;
        if (escape && *rest == 'n') {
            value[size - 1] = '\n';
        }
    }
    value[size] = '\0';
    *text = rest + 1;
    return true;
}

static bool take_labels(const char **text, struct prometheus_sample *sample)
{
    if (**text != '{') {
        return true;
    }
    do {
        ++*text;
        if (sample->label_count == PROMETHEUS_LABELS_MAX) {
            return false;
        }
        struct prometheus_label *label = &sample->labels[sample->label_count++];
        if (!take_name(text, label->name, LETTERS DIGITS) || *(*text)++ != '=' ||
            !take_label_value(text, label->value)) {
            return false;
        }
    } while (**text == ',');
    return *(*text)++ == '}';
}

static bool parse_value(const char *text, double *value)
{
    if (strcmp(text, "+Inf") == 0 || strcmp(text, "-Inf") == 0 || strcmp(text, "NaN") == 0) {
        *value = text[0] == 'N' ? NAN : text[0] == '+' ? INFINITY : -INFINITY;
        return true;
    }
    char *end;
    *value = strtod(text, &end);
    return *end == '\0' && strspn(text, DIGITS "+-.eE") == strlen(text) && *text != '\0';
}

/* Whether the sample belongs to the family, given that histograms add suffixes to its name. */
static bool belongs_to(const struct prometheus_sample *sample,
                       const struct prometheus_family *family)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    const size_t size = strlen(family->name);
    if (strncmp(sample->name, family->name, size) != 0) {
        return false;
    }
    const char *suffix = sample->name + size;
    if (strcmp(family->type, "histogram") != 0) {
        return *suffix == '\0';
    }
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (strcmp(suffix, suffixes[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_series(const struct prometheus_sample *left, const struct prometheus_sample *right)
{
    if (strcmp(left->name, right->name) != 0 || left->label_count != right->label_count) {
        return false;
    }
    for (size_t i = 0; i < left->label_count; i++) {
        const char *value = prometheus_label(right, left->labels[i].name);
        if (value == NULL || strcmp(value, left->labels[i].value) != 0) {
            return false;
        }
    }
    return true;
}

static bool add_sample(struct prometheus *metrics, const struct prometheus_sample *sample)
{
    for (size_t i = 0; i < metrics->sample_count; i++) {
        if (same_series(&metrics->samples[i], sample)) {
            return complain(metrics, "a series of %s is there twice", sample->name);
        }
    }
    metrics->samples = grow(metrics->samples, metrics->sample_count, sizeof *metrics->samples);
    metrics->samples[metrics->sample_count++] = *sample;
    return true;
}

static bool parse_sample(struct prometheus *metrics, const char *line)
{
    struct prometheus_sample sample = {.label_count = 0};
    const char *rest = line;
    if (!take_name(&rest, sample.name, LETTERS DIGITS ":") || !take_labels(&rest, &sample) ||
        *rest++ != ' ' || !parse_value(rest, &sample.value)) {
        return complain(metrics, "malformed: %s", line);
    }
    const struct prometheus_family *family =
        metrics->family_count > 0 ? &metrics->families[metrics->family_count - 1] : NULL;
    if (family == NULL || !family->has_help || family->type[0] == '\0' ||
        !belongs_to(&sample, family)) {
        return complain(metrics, "not under its own HELP and TYPE: %s", line);
    }
    return add_sample(metrics, &sample);
}

/* ---- histograms ---- */

/* Whether both have the same labels when le is left aside. */
static bool same_histogram(const struct prometheus_sample *left,
                           const struct prometheus_sample *right)
{
    size_t shared = 0;
    for (size_t i = 0; i < left->label_count; i++) {
        const char *value = prometheus_label(right, left->labels[i].name);
        const bool is_le = strcmp(left->labels[i].name, "le") == 0;
        if (!is_le && (value == NULL || strcmp(value, left->labels[i].value) != 0)) {
            return false;
        }
        shared += !is_le;
    }
    return shared == right->label_count - (prometheus_label(right, "le") != NULL);
}

/* The buckets of the histogram whose _count this is: in rising order, never falling, +Inf last. */
static bool check_histogram(struct prometheus *metrics, const struct prometheus_sample *count,
                            const char *family)
{
    char bucket[PROMETHEUS_NAME_SIZE + 8];
    char sum[PROMETHEUS_NAME_SIZE + 8];
    double bound = -INFINITY;
    double value = 0;
    size_t sums = 0;
    snprintf(bucket, sizeof bucket, "%s_bucket", family);
    snprintf(sum, sizeof sum, "%s_sum", family);
    for (size_t i = 0; i < metrics->sample_count; i++) {
        const struct prometheus_sample *sample = &metrics->samples[i];
        if (!same_histogram(sample, count)) {
            continue;
        }
        sums += strcmp(sample->name, sum) == 0;
        if (strcmp(sample->name, bucket) != 0) {
            continue;
        }
        double next;
        const char *le = prometheus_label(sample, "le");
        if (le == NULL || !parse_value(le, &next) || next <= bound || sample->value < value) {
            return complain(metrics, "%s is not cumulative", family);
        }
        bound = next;
        value = sample->value;
    }
    if (!isinf(bound) || bound < 0 || value < count->value || value > count->value || sums != 1) {
        return complain(metrics, "%s: +Inf, _count and _sum do not fit", family);
    }
    return true;
}

static bool check_histograms(struct prometheus *metrics)
{
    for (size_t f = 0; f < metrics->family_count; f++) {
        const struct prometheus_family *family = &metrics->families[f];
        char count[PROMETHEUS_NAME_SIZE + 8];
        snprintf(count, sizeof count, "%s_count", family->name);
        for (size_t i = 0; i < metrics->sample_count; i++) {
            if (strcmp(family->type, "histogram") == 0 &&
                strcmp(metrics->samples[i].name, count) == 0 &&
                !check_histogram(metrics, &metrics->samples[i], family->name)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- the whole ---- */

struct prometheus *prometheus_parse(const char *text)
{
    struct prometheus *metrics = calloc(1, sizeof *metrics);
    char *copy = strdup(text);
    bool good = true;
    if (*text == '\0' || text[strlen(text) - 1] != '\n') {
        good = complain(metrics, "the last line does not end");
    }
    char *rest = copy;
    while (good && *rest != '\0') {
        char *line = strsep(&rest, "\n");
        if (line[0] != '\0') {
            good = line[0] == '#' ? parse_comment(metrics, line) : parse_sample(metrics, line);
        }
    }
    if (good) {
        check_histograms(metrics);
    }
    free(copy);
    return metrics;
}

void prometheus_free(struct prometheus **metrics)
{
    free((*metrics)->samples);
    free((*metrics)->families);
    free(*metrics);
    *metrics = NULL;
}

const char *prometheus_label(const struct prometheus_sample *sample, const char *name)
{
    for (size_t i = 0; i < sample->label_count; i++) {
        if (strcmp(sample->labels[i].name, name) == 0) {
            return sample->labels[i].value;
        }
    }
    return NULL;
}

static bool matches(const struct prometheus_sample *sample, const char *name,
                    const char *const *labels)
{
    bool good = strcmp(sample->name, name) == 0;
    for (size_t i = 0; good && labels[i] != NULL; i += 2) {
        const char *value = prometheus_label(sample, labels[i]);
        good = value != NULL && strcmp(value, labels[i + 1]) == 0;
    }
    return good;
}

double prometheus_sum(const struct prometheus *metrics, const char *name, const char *const *labels)
{
    double sum = 0;
    for (size_t i = 0; i < metrics->sample_count; i++) {
        sum += matches(&metrics->samples[i], name, labels) ? metrics->samples[i].value : 0;
    }
    return sum;
}

size_t prometheus_count(const struct prometheus *metrics, const char *name,
                        const char *const *labels)
{
    size_t count = 0;
    for (size_t i = 0; i < metrics->sample_count; i++) {
        count += matches(&metrics->samples[i], name, labels);
    }
    return count;
}
