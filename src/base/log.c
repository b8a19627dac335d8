/* Structured logs on standard error, without ever making a loop wait for their reader. */
#include "rsvpd/base/log.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/config.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/json_writer.h"
#include "rsvpd/base/text.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_SIZE_MAX_BYTES = 2048,
    RING_SIZE_BYTES = 256 * 1024, /* a power of two */
    RINGS_MAX = 300,
    STOP_WAIT_SECONDS = 1,
};
static_assert((RING_SIZE_BYTES & (RING_SIZE_BYTES - 1)) == 0,
              "positions in a ring only grow, and wrap");
static_assert(LINE_SIZE_MAX_BYTES <= RING_SIZE_BYTES, "a line fits an empty ring");
static_assert(RINGS_MAX > CONFIG_WORKERS_MAX + 1, "each worker and the main thread have a ring");

/* Bytes from one thread to the writer. `head` is moved by that thread alone, `tail` by the writer
 * alone; both only grow, and their difference is what the ring holds. */
struct ring {
    _Atomic uint64_t head;
    _Atomic uint64_t tail;
    char bytes[RING_SIZE_BYTES];
};

static _Atomic enum log_level threshold = LOG_INFO;
static enum log_format line_format = LOG_FORMAT_JSON;
static _Atomic uint64_t dropped_lines;

static struct ring *_Atomic rings[RINGS_MAX];
static _Atomic unsigned ring_count;
static _Thread_local struct ring *own_ring;

static pthread_t writer;
static _Atomic bool writer_running;
static _Atomic bool
    writer_sleeps; /* so that only the line that finds it asleep pays for waking it */
static int wake_fd = -1;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_configure(enum log_level level, enum log_format format)
{
    log_set_level(level);
    line_format = format;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&dropped_lines, memory_order_relaxed);
}

static void write_value(struct json_writer *json, const char *name, const struct log_field *field)
{
    switch (field->type) {
    case LOG_FIELD_STRING:
        json_write_string(json, name, field->string);
        return;
    case LOG_FIELD_INTEGER:
        json_write_int(json, name, field->integer);
        return;
    case LOG_FIELD_MICROSECONDS:
        json_write_milliseconds(json, name, field->integer);
        return;
    }
}

static void format_json(struct text *line, enum log_level level, const char *message,
                        const struct log_field *fields, size_t field_count)
{
    struct json_writer json = json_writer_over(line);
    json_write_object_begin(&json, NULL);
    json_write_time(&json, "time", clock_now().wall_us);
    json_write_string(&json, "level", slice_of(level_names[level]));
    json_write_string(&json, "message", slice_of(message));
    for (size_t i = 0; i < field_count; i++) {
        write_value(&json, fields[i].name, &fields[i]);
    }
    json_write_object_end(&json);
}

static void format_text(struct text *line, enum log_level level, const char *message,
                        const struct log_field *fields, size_t field_count)
{
    text_add_time(line, clock_now().wall_us / 1000);
    text_add_format(line, " %-5s ", level_names[level]);
    text_add_cstr(line, message);
    for (size_t i = 0; i < field_count; i++) {
        text_add_cstr(line, " ");
        text_add_cstr(line, fields[i].name);
        text_add_cstr(line, "=");
        struct json_writer value = json_writer_over(line);
        write_value(&value, NULL, &fields[i]);
    }
}

static void format_line(struct text *line, enum log_level level, const char *message,
                        const struct log_field *fields, size_t field_count)
{
    if (line_format == LOG_FORMAT_JSON) {
        format_json(line, level, message, fields, field_count);
    } else {
        format_text(line, level, message, fields, field_count);
    }
}

/* Writes all of it. It gives up if nobody can read any more, because a log must not stop the
 * service. */
static void write_out(struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t written = write(STDERR_FILENO, bytes.data, bytes.size);
        if (written < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = STDERR_FILENO, .events = POLLOUT};
            (void)poll(&wait, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            return;
        } else if (written > 0) {
            bytes.data += written;
            bytes.size -= (size_t)written;
        }
    }
}

static void ring_put(struct ring *ring, struct slice line)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (line.size > RING_SIZE_BYTES - (head - tail)) {
        atomic_fetch_add_explicit(&dropped_lines, 1, memory_order_relaxed);
        return;
    }
    size_t at = head % RING_SIZE_BYTES;
    size_t until_end = RING_SIZE_BYTES - at;
    size_t first = line.size < until_end ? line.size : until_end;
    memcpy(ring->bytes + at, line.data, first);
    memcpy(ring->bytes, line.data + first, line.size - first);
    atomic_store(&ring->head, head + line.size);
    if (atomic_load(&writer_sleeps) && atomic_exchange(&writer_sleeps, false)) {
        (void)eventfd_write(wake_fd, 1);
    }
}

/* Writes what one ring holds. True where there was something. */
static bool ring_empty_out(struct ring *ring)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint64_t head = atomic_load(&ring->head);
    if (head == tail) {
        return false;
    }
    while (tail != head) {
        size_t at = tail % RING_SIZE_BYTES;
        size_t size = head - tail;
        if (size > RING_SIZE_BYTES - at) {
            size = RING_SIZE_BYTES - at;
        }
        write_out(slice_make(ring->bytes + at, size));
        tail += size;
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    return true;
}

static bool empty_all_rings(void)
{
    bool found = false;
    unsigned count = atomic_load(&ring_count);
    for (unsigned i = 0; i < count && i < RINGS_MAX; i++) {
        struct ring *ring = atomic_load(&rings[i]);
        found = (ring != NULL && ring_empty_out(ring)) || found;
    }
    return found;
}

static void *writer_main(void *unused)
{
    (void)unused;
    while (atomic_load(&writer_running)) {
        if (empty_all_rings()) {
            continue;
        }
        /* Announces that it sleeps, and then looks once more, so that no line is left behind. */
        atomic_store(&writer_sleeps, true);
        if (!empty_all_rings() && atomic_load(&writer_running)) {
            eventfd_t ignored;
            (void)eventfd_read(wake_fd, &ignored);
        }
        atomic_store(&writer_sleeps, false);
    }
    empty_all_rings();
    return NULL;
}

/* It takes no signals: those are for a thread that has a loop. But what a thread does to itself
 * ends the process at once, and is reported by a sanitizer only where it is not blocked. */
static bool start_writer(void)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigset_t blocked;
    pthread_attr_t attributes;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        sigdelset(&blocked, own[i]);
    }
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    bool started = pthread_attr_setsigmask_np(&attributes, &blocked) == 0 &&
                   pthread_create(&writer, &attributes, writer_main, NULL) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

bool log_start(void)
{
    assert(!atomic_load(&writer_running));
    wake_fd = eventfd(0, EFD_CLOEXEC);
    if (wake_fd < 0) {
        return false;
    }
    atomic_store(&writer_running, true);
    if (!start_writer()) {
        atomic_store(&writer_running, false);
        return false;
    }
    return true;
}

void log_stop(void)
{
    if (!atomic_exchange(&writer_running, false)) {
        return;
    }
    (void)eventfd_write(wake_fd, 1);
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_WAIT_SECONDS;
    if (pthread_timedjoin_np(writer, NULL, &until) != 0) {
        return; /* nobody reads: the process is ending, and the writer and the rings end with it */
    }
    close(wake_fd);
    own_ring = NULL; /* other threads may be writing into theirs still: the rings stay */
}

void log_attach_thread(void)
{
    struct ring *ring = calloc(1, sizeof *ring);
    unsigned place = ring == NULL ? RINGS_MAX : atomic_fetch_add(&ring_count, 1);
    if (place >= RINGS_MAX) {
        free(ring);
        return;
    }
    atomic_store(&rings[place], ring);
    own_ring = ring;
}

void log_write(enum log_level level, const char *message, const struct log_field *fields,
               size_t field_count)
{
    assert(level < sizeof level_names / sizeof level_names[0]);
    char buffer[LINE_SIZE_MAX_BYTES];
    struct text line = text_over(buffer, sizeof buffer - 1);
    format_line(&line, level, message, fields, field_count);
    if (line.truncated) { /* half a line says nothing for certain: keep what identifies it */
        line = text_over(buffer, sizeof buffer - 1);
        format_line(&line, level, message, NULL, 0);
    }
    buffer[line.size++] = '\n';
    if (own_ring != NULL) {
        ring_put(own_ring, text_slice(&line));
    } else {
        write_out(text_slice(&line));
    }
}
