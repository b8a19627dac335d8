/* A strict reader of the Prometheus text format, version 0.0.4. */
#ifndef RSVPD_TESTS_PROMETHEUS_H
#define RSVPD_TESTS_PROMETHEUS_H

#include <stdbool.h>
#include <stddef.h>

enum { PROMETHEUS_LABELS_MAX = 8, PROMETHEUS_NAME_SIZE = 128, PROMETHEUS_VALUE_SIZE = 256 };

struct prometheus_label {
    char name[PROMETHEUS_NAME_SIZE];
    char value[PROMETHEUS_VALUE_SIZE];
};

struct prometheus_sample {
    char name[PROMETHEUS_NAME_SIZE];
    struct prometheus_label labels[PROMETHEUS_LABELS_MAX];
    size_t label_count;
    double value;
};

struct prometheus_family {
    char name[PROMETHEUS_NAME_SIZE];
    char type[32];
    bool has_help;
};

struct prometheus {
    struct prometheus_sample *samples;
    size_t sample_count;
    struct prometheus_family *families;
    size_t family_count;
    char error[512]; /* empty: well-formed */
};

/* Reads and checks: HELP and TYPE once for each family and before its samples, a family's samples
 * together, no sample twice, names and values as the format has them, histograms cumulative with
 * +Inf equal to _count and with a _sum. */
struct prometheus *prometheus_parse(const char *text);
void prometheus_free(struct prometheus **metrics);

/* The value of the label, or NULL. */
const char *prometheus_label(const struct prometheus_sample *sample, const char *name);
/* The sum of the samples of that name that have these labels (name, value, name, value, NULL); 0
 * without any. */
double prometheus_sum(const struct prometheus *metrics, const char *name,
                      const char *const *labels);
/* How many there are. */
size_t prometheus_count(const struct prometheus *metrics, const char *name,
                        const char *const *labels);

#endif
