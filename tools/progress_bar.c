#include "tools/progress_bar.h"

#include <stdio.h>
#include <unistd.h>

#define BAR_CELLS 24

struct mt_progress_bar {
    const char *command; /* whose warnings they are */
    bool        terminal;
    gint64      batch_start_us, drawn_us;
    int         drawn; /* a bar stands on the current line */
};

mt_progress_bar *mt_progress_bar_new(const char *command)
{
    mt_progress_bar *bar = g_new0(mt_progress_bar, 1);

    bar->command = command;
    bar->terminal = isatty(STDERR_FILENO) && g_strcmp0(g_getenv("TERM"), "dumb") != 0;
    bar->batch_start_us = g_get_monotonic_time();
    return bar;
}

static void erase(mt_progress_bar *bar)
{
    if (bar->drawn)
        fputs("\r\033[K", stderr);
    bar->drawn = 0;
}

static void print_duration(FILE *stream, double seconds)
{
    long s = (long)(seconds + 0.5);

    if (s >= 3600)
        fprintf(stream, "%ld h %02ld min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        fprintf(stream, "%ld min %02ld s", s / 60, s % 60);
    else
        fprintf(stream, "%ld s", s);
}

static void draw(mt_progress_bar *bar, const mt_batch_event *e)
{
    double share = e->tiles_total > 0 ? (double)e->tiles_done / (double)e->tiles_total : 0;
    double rate = e->seconds > 0 ? (double)e->tiles_done / e->seconds : 0;

    erase(bar);
    fprintf(stderr, "[%d/%d] %.40s ", e->cases_done + 1, e->cases_total, e->c->id);
    for (int i = 0; i < BAR_CELLS; i++)
        fputs(i < (int)(share * BAR_CELLS) ? "█" : "░", stderr);
    fprintf(stderr, " %3.0f %%  %.0f tiles/s  ", 100 * share, rate);
    if (rate > 0) {
        fputs("slide ", stderr);
        print_duration(stderr, (double)(e->tiles_total - e->tiles_done) / rate);
    }
    if (e->cases_done > 0 && e->cases_total > e->cases_done) {
        double spent = (double)(g_get_monotonic_time() - bar->batch_start_us) / 1e6, done = e->cases_done + share;
        fputs(", all ", stderr);
        print_duration(stderr, spent / done * (e->cases_total - done));
    }
    fputs(" left", stderr);
    fflush(stderr);
    bar->drawn = 1;
}

void mt_progress_bar_event(void *user, const mt_batch_event *e)
{
    mt_progress_bar *bar = user;

    if (e->kind == MT_BATCH_PROGRESS) {
        gint64 now = g_get_monotonic_time();
        if (bar->terminal && now - bar->drawn_us > 100000) {
            bar->drawn_us = now;
            draw(bar, e);
        }
        return;
    }
    erase(bar);
    if (e->kind == MT_BATCH_DONE) {
        fprintf(stderr, "[%d/%d] %s: done, %" G_GINT64_FORMAT " tiles in ", e->cases_done, e->cases_total, e->c->id, e->tiles_total);
        print_duration(stderr, e->seconds);
        fputc('\n', stderr);
    } else if (e->kind == MT_BATCH_SKIPPED)
        fprintf(stderr, "[%d/%d] %s: finished already, skipped\n", e->cases_done, e->cases_total, e->c->id);
    else if (e->kind == MT_BATCH_FAILED)
        fprintf(stderr, "[%d/%d] %s: FAILED: %s\n", e->cases_done, e->cases_total, e->c->id, e->message);
    else if (e->kind == MT_BATCH_RETRIED)
        fprintf(stderr, "        %s: %s; trying once more\n", e->c->id, e->message);
    else if (e->kind == MT_BATCH_WARNED)
        fprintf(stderr, "microtome %s: warning: %s\n", bar->command, e->message);
    else if (!bar->terminal)
        fprintf(stderr, "[%d/%d] %s: started\n", e->cases_done + 1, e->cases_total, e->c->id);
}

void mt_progress_bar_free(mt_progress_bar *bar)
{
    erase(bar);
    g_free(bar);
}
