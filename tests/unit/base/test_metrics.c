/* The metrics: what is rendered for what was counted, in Prometheus's text format. */
#include "unit.h"

#include "rsvpd/base/metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum { SETS = 3, PAGE_SIZE = 1024 * 1024 };

static const char *const routes[] = {"/none", "/v1/a/{id}"};

/* The numbers of three threads, and what was last rendered of them. */
struct numbers {
    struct metrics *sets[SETS];
    bool redis_configured;
    const struct process_usage *usage;
    size_t size;
    char page[PAGE_SIZE + 1];
};

static int setup(void **state)
{
    struct numbers *numbers = calloc(1, sizeof *numbers);
    assert_non_null(numbers);
    for (size_t i = 0; i < SETS; i++) {
        numbers->sets[i] = metrics_create();
        assert_non_null(numbers->sets[i]);
    }
    numbers->redis_configured = true;
    *state = numbers;
    return 0;
}

static int teardown(void **state)
{
    struct numbers *numbers = *state;
    for (size_t i = 0; i < SETS; i++) {
        free(numbers->sets[i]);
    }
    free(numbers);
    return 0;
}

static void render(struct numbers *numbers)
{
    struct text text = text_over(numbers->page, PAGE_SIZE);
    const struct metrics_view view = {
        .sets = (const struct metrics *const *)numbers->sets,
        .set_count = SETS,
        .route_names = routes,
        .route_count = LENGTH(routes),
        .redis_configured = numbers->redis_configured,
        .usage = numbers->usage,
    };
    metrics_render(&view, &text);
    assert_false(text.truncated);
    numbers->page[text.size] = '\0';
}

/* Where the page has this line, NULL where it has not. */
static const char *find_line(const struct numbers *numbers, const char *line)
{
    size_t size = strlen(line);
    for (const char *at = numbers->page; *at != '\0'; at += strcspn(at, "\n") + 1) {
        if (strcspn(at, "\n") == size && memcmp(at, line, size) == 0) {
            return at;
        }
    }
    return NULL;
}

static void expect_line(const struct numbers *numbers, const char *line)
{
    if (find_line(numbers, line) == NULL) {
        fail_msg("not rendered: %s", line);
    }
}

static void test_counters_and_gauges_add_up(void **state)
{
    struct numbers *numbers = *state;
    metrics_add(numbers->sets[0], METRIC_COUNTS_FROM_LOCAL, 1);
    metrics_add(numbers->sets[0], METRIC_COUNTS_FROM_LOCAL, 2);
    metrics_add(numbers->sets[2], METRIC_COUNTS_FROM_LOCAL, 1000000000000);
    metrics_add(numbers->sets[1], METRIC_PUBLISHED, 7);
    metrics_set(numbers->sets[0], METRIC_QUEUE_WRITES, 9);
    metrics_set(numbers->sets[0], METRIC_QUEUE_WRITES, 4);
    metrics_set(numbers->sets[1], METRIC_QUEUE_WRITES, 5);
    metrics_set(numbers->sets[1], METRIC_CONNECTIONS, 12);
    assert_int_equal(metrics_get(numbers->sets[0], METRIC_COUNTS_FROM_LOCAL), 3);
    assert_int_equal(metrics_get(numbers->sets[0], METRIC_QUEUE_WRITES), 4);
    render(numbers);
    expect_line(numbers, "rsvpd_counts_served_total{tier=\"local\"} 1000000000003");
    expect_line(numbers, "rsvpd_counts_served_total{tier=\"redis\"} 0");
    expect_line(numbers, "rsvpd_counts_published_total 7");
    expect_line(numbers, "rsvpd_queue_depth{queue=\"writes\"} 9");
    expect_line(numbers, "rsvpd_http_connections 12");
    assert_non_null(
        strstr(numbers->page, "\nrsvpd_build_info{version=\"" RSVPD_VERSION "\",commit=\""));
    expect_line(numbers, "# TYPE rsvpd_counts_served_total counter");
    expect_line(numbers, "# TYPE rsvpd_queue_depth gauge");
}

/* Each thread sees a change of the primary by itself. */
static void test_what_every_thread_sees_counts_once(void **state)
{
    struct numbers *numbers = *state;
    metrics_add(numbers->sets[0], METRIC_PRIMARY_CHANGES, 2);
    metrics_add(numbers->sets[1], METRIC_PRIMARY_CHANGES, 1);
    metrics_set(numbers->sets[0], METRIC_SCHEMA_VERSION, 7);
    metrics_set(numbers->sets[1], METRIC_SCHEMA_VERSION, 8);
    render(numbers);
    expect_line(numbers, "rsvpd_primary_changes_total 2");
    expect_line(numbers, "rsvpd_schema_version 8");
    expect_line(numbers, "# TYPE rsvpd_primary_changes_total counter");
    expect_line(numbers, "# TYPE rsvpd_schema_version gauge");
}

static void test_times_are_in_seconds(void **state)
{
    struct numbers *numbers = *state;
    metrics_add(numbers->sets[0], METRIC_POOL_BUSY_READS, 1);
    metrics_add(numbers->sets[2], METRIC_POOL_BUSY_READS, 1500000);
    render(numbers);
    expect_line(numbers, "rsvpd_pool_busy_seconds_total{pool=\"reads\"} 1.500001");
    expect_line(numbers, "# TYPE rsvpd_pool_busy_seconds_total counter");
}

static void test_usage_of_the_process(void **state)
{
    static const struct process_usage usage = {.started_s = 1700000000.25,
                                               .cpu_s = 12.5,
                                               .resident_bytes = 123456789012,
                                               .open_descriptors = 42,
                                               .descriptors_max = 1024};
    struct numbers *numbers = *state;
    render(numbers);
    assert_null(strstr(numbers->page, "process_"));
    numbers->usage = &usage;
    render(numbers);
    expect_line(numbers, "process_start_time_seconds 1700000000.25");
    expect_line(numbers, "process_cpu_seconds_total 12.500000");
    expect_line(numbers, "process_resident_memory_bytes 123456789012");
    expect_line(numbers, "process_open_fds 42");
    expect_line(numbers, "process_max_fds 1024");
    expect_line(numbers, "# TYPE process_cpu_seconds_total counter");
    expect_line(numbers, "# TYPE process_open_fds gauge");
}

static void test_a_dependency_is_up_where_any_thread_has_it_up(void **state)
{
    struct numbers *numbers = *state;
    render(numbers);
    expect_line(numbers, "rsvpd_dependency_up{dependency=\"postgres\"} 0");
    expect_line(numbers, "rsvpd_dependency_up{dependency=\"redis\"} 0");
    metrics_set(numbers->sets[1], METRIC_UP_POSTGRES, 1);
    metrics_set(numbers->sets[1], METRIC_UP_REDIS, 1);
    metrics_set(numbers->sets[2], METRIC_UP_REDIS, 1);
    render(numbers);
    expect_line(numbers, "rsvpd_dependency_up{dependency=\"postgres\"} 1");
    expect_line(numbers, "rsvpd_dependency_up{dependency=\"redis\"} 1");
    numbers->redis_configured = false;
    render(numbers);
    expect_line(numbers, "rsvpd_dependency_up{dependency=\"postgres\"} 1");
    assert_null(strstr(numbers->page, "rsvpd_dependency_up{dependency=\"redis\"}"));
}

/* A value lies in the first bucket whose bound is not below it, and in all above. */
static void test_buckets_are_cumulative(void **state)
{
    static const uint64_t sizes[] = {1, 1, 2, 3, 4, 512, 1024, 1025, 9000};
    static const struct {
        const char *bound;
        int count;
    } expected[] = {{"1", 2},  {"2", 3},   {"4", 5},   {"8", 5},   {"16", 5},   {"32", 5},
                    {"64", 5}, {"128", 5}, {"256", 5}, {"512", 6}, {"1024", 7}, {"+Inf", 9}};
    struct numbers *numbers = *state;
    uint64_t sum = 0;
    for (size_t i = 0; i < LENGTH(sizes); i++) {
        metrics_observe(numbers->sets[i % SETS], HISTOGRAM_BATCH_LOOKUPS, sizes[i]);
        sum += sizes[i];
    }
    render(numbers);
    const char *last = numbers->page;
    for (size_t i = 0; i < LENGTH(expected); i++) {
        char line[128];
        snprintf(line, sizeof line, "rsvpd_batch_size_bucket{kind=\"lookups\",le=\"%s\"} %d",
                 expected[i].bound, expected[i].count);
        expect_line(numbers, line);
        assert_true(find_line(numbers, line) > last); /* in ascending order */
        last = find_line(numbers, line);
    }
    char line[128];
    snprintf(line, sizeof line, "rsvpd_batch_size_sum{kind=\"lookups\"} %llu",
             (unsigned long long)sum);
    expect_line(numbers, line);
    expect_line(numbers, "rsvpd_batch_size_count{kind=\"lookups\"} 9");
    expect_line(numbers, "rsvpd_batch_size_count{kind=\"writes\"} 0");
}

static void test_latencies_are_in_seconds(void **state)
{
    struct numbers *numbers = *state;
    metrics_observe(numbers->sets[0], HISTOGRAM_LATENCY_REDIS, 100);
    metrics_observe(numbers->sets[1], HISTOGRAM_LATENCY_REDIS, 101);
    metrics_observe(numbers->sets[2], HISTOGRAM_LATENCY_REDIS, 2600000);
    render(numbers);
#define LATENCY(what) "rsvpd_dependency_latency_seconds_" what
    expect_line(numbers, LATENCY("bucket{dependency=\"redis\",le=\"0.0001\"} 1"));
    expect_line(numbers, LATENCY("bucket{dependency=\"redis\",le=\"0.00025\"} 2"));
    expect_line(numbers, LATENCY("bucket{dependency=\"redis\",le=\"2.5\"} 2"));
    expect_line(numbers, LATENCY("bucket{dependency=\"redis\",le=\"+Inf\"} 3"));
    expect_line(numbers, LATENCY("sum{dependency=\"redis\"} 2.600201"));
    expect_line(numbers, LATENCY("count{dependency=\"redis\"} 3"));
#undef LATENCY
}

static void test_requests(void **state)
{
    static const char *const bounds[] = {"0.005", "0.01", "0.025", "0.05", "0.075", "0.1",
                                         "0.15",  "0.25", "0.5",   "0.75", "1",     "2.5",
                                         "5",     "7.5",  "10",    "+Inf"};
    struct numbers *numbers = *state;
    render(numbers);
    assert_null(strstr(numbers->page, "rsvpd_http_request_duration_seconds_count"));
    metrics_observe_request(numbers->sets[0], 1, HTTP_POST, 201, 5000);
    metrics_observe_request(numbers->sets[1], 1, HTTP_POST, 201, 10000001);
    metrics_observe_request(numbers->sets[1], 0, HTTP_OTHER, 404, 1);
    metrics_observe_request(numbers->sets[1], 1, HTTP_GET, 599, 1);
    render(numbers);
#define REQUEST "rsvpd_http_request_duration_seconds_"
#define POSTED "route=\"/v1/a/{id}\",method=\"POST\",status=\"201\""
    for (size_t i = 0; i < LENGTH(bounds); i++) {
        char line[160];
        snprintf(line, sizeof line, REQUEST "bucket{" POSTED ",le=\"%s\"} %d", bounds[i],
                 i + 1 < LENGTH(bounds) ? 1 : 2);
        expect_line(numbers, line);
    }
    expect_line(numbers, REQUEST "sum{" POSTED "} 10.005001");
    expect_line(numbers, REQUEST "count{" POSTED "} 2");
    expect_line(numbers, REQUEST "count{route=\"/none\",method=\"other\",status=\"404\"} 1");
    expect_line(numbers, REQUEST "count{route=\"/v1/a/{id}\",method=\"GET\",status=\"0\"} 1");
    expect_line(numbers, "# TYPE rsvpd_http_request_duration_seconds histogram");
#undef POSTED
#undef REQUEST
}

/* So that the first failures of a route are an increase. */
static void test_failures_are_there_before_the_first(void **state)
{
    static const char *const statuses[] = {"500", "503", "504"};
    struct numbers *numbers = *state;
    metrics_observe_request(numbers->sets[1], 1, HTTP_POST, 201, 5000);
    metrics_observe_request(numbers->sets[0], 1, HTTP_POST, 503, 5000);
    render(numbers);
    for (size_t i = 0; i < LENGTH(statuses); i++) {
        char line[160];
        snprintf(line, sizeof line,
                 "rsvpd_http_request_duration_seconds_count{route=\"/v1/a/{id}\",method=\"POST\","
                 "status=\"%s\"} %d",
                 statuses[i], strcmp(statuses[i], "503") == 0);
        expect_line(numbers, line);
    }
    assert_null(strstr(numbers->page, "method=\"GET\""));
    assert_null(strstr(numbers->page, "status=\"429\""));
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || c == '_';
}

/* Each family stands together, headed once by help and type; every other line is one of its
 * samples, no sample comes twice, and the page ends with a line end. */
static void test_the_page_is_well_formed(void **state)
{
    struct numbers *numbers = *state;
    char family[128] = "", *seen[4096];
    size_t seen_count = 0;
    metrics_observe_request(numbers->sets[0], 1, HTTP_POST, 201, 5000);
    numbers->usage = &(const struct process_usage){.open_descriptors = 1};
    render(numbers);
    assert_int_equal(numbers->page[strlen(numbers->page) - 1], '\n');
    char *rest = numbers->page, *line;
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %127s %*s", family), 1);
            assert_non_null(strchr(line + 8, ' '));
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(strncmp(line + 7, family, strlen(family)), 0);
        } else {
            assert_int_equal(strncmp(line, family, strlen(family)), 0);
            assert_true(is_name(line[0]));
            *strrchr(line, ' ') = '\0'; /* what remains says which sample it is */
        }
        for (size_t i = 0; i < seen_count; i++) {
            assert_string_not_equal(seen[i], line);
        }
        assert_true(seen_count < LENGTH(seen));
        seen[seen_count++] = line;
    }
    assert_true(seen_count > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters_and_gauges_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_dependency_is_up_where_any_thread_has_it_up, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_every_thread_sees_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times_are_in_seconds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_usage_of_the_process, setup, teardown),
        cmocka_unit_test_setup_teardown(test_buckets_are_cumulative, setup, teardown),
        cmocka_unit_test_setup_teardown(test_latencies_are_in_seconds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures_are_there_before_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_page_is_well_formed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
