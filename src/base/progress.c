/* How far a command is. */
#include "rsvpd/base/progress.h"

#include <assert.h>
#include <unistd.h>

enum { BAR_WIDTH = 30, LINE_SIZE = 256 };

static const int64_t bar_every_us = 200000, line_every_us = 2000000;

void progress_begin(struct progress *progress, FILE *out, const char *title, const char *unit,
                    int64_t now_us)
{
    *progress = (struct progress){
        .out = out,
        .is_terminal = out != NULL && isatty(fileno(out)),
        .title = title,
        .unit = unit,
        .began_us = now_us,
    };
    progress->next_us = now_us + (progress->is_terminal ? bar_every_us : line_every_us);
}

void progress_write(const struct progress *progress, int64_t count, int64_t done, int64_t total,
                    int64_t now_us, struct text *text)
{
    double seconds = (double)(now_us - progress->began_us) / 1e6;
    text_add_format(text, "%s: ", progress->title);
    if (total > 0) {
        /* A total that is an estimate may be passed: it is done when it ends. */
        int percent = done >= total ? 99 : (int)((double)done / (double)total * 100);
        if (progress->is_terminal) {
            char bar[BAR_WIDTH];
            memset(bar, '.', sizeof bar);
            memset(bar, '#', (size_t)(percent * BAR_WIDTH / 100));
            text_add_format(text, "[%.*s] ", BAR_WIDTH, bar);
        }
        text_add_format(text, "%d%%, ", percent);
    }
    text_add_format(text, "%lld %s, %.0f/s", (long long)count, progress->unit,
                    seconds > 0 ? (double)count / seconds : 0.0);
}

void progress_update(struct progress *progress, int64_t count, int64_t done, int64_t total,
                     int64_t now_us)
{
    if (progress->out == NULL || now_us < progress->next_us) {
        return;
    }
    char line[LINE_SIZE];
    struct text text = text_over(line, sizeof line);
    progress_write(progress, count, done, total, now_us, &text);
    fprintf(progress->out, progress->is_terminal ? "\r%.*s\033[K" : "%.*s\n", (int)text.size, line);
    (void)fflush(progress->out);
    progress->shown = progress->is_terminal;
    progress->next_us = now_us + (progress->is_terminal ? bar_every_us : line_every_us);
}

void progress_clear(struct progress *progress)
{
    assert(!progress->shown || progress->out != NULL);
    if (progress->shown) {
        fputs("\r\033[K", progress->out);
        (void)fflush(progress->out);
        progress->shown = false;
    }
}
