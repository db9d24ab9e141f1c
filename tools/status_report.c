#include "tools/status_report.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define ID_WIDTH 28

static void print_duration(FILE *stream, double seconds)
{
    long s = lround(seconds);

    if (s >= 3600)
        fprintf(stream, "%ld h %02ld min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        fprintf(stream, "%ld min %02ld s", s / 60, s % 60);
    else
        fprintf(stream, "%ld s", s);
}

static void print_done(const mt_folder_case *c, FILE *stream)
{
    fprintf(stream, "%-14s %-8s ", c->status != NULL ? c->status : "-", c->decision != NULL ? c->decision : "-");
    if (isfinite(c->score))
        fprintf(stream, "%6.3f", c->score);
    else
        fprintf(stream, "%6s", "-");
    if (c->tiles >= 0)
        fprintf(stream, "  %7" G_GINT64_FORMAT " tiles", c->tiles);
    if (c->invalid_tiles > 0)
        fprintf(stream, " (%" G_GINT64_FORMAT " unread)", c->invalid_tiles);
    if (c->seconds >= 0)
        fprintf(stream, "  %8.1f s", c->seconds);
    if (c->superseded > 0)
        fprintf(stream, "  superseded: %d", c->superseded);
}

static void print_failed(const mt_folder_case *c, FILE *stream)
{
    fprintf(stream, "exit code %d", c->exit_code);
    if (c->signal_number != 0)
        fprintf(stream, ", signal %d (%s)", c->signal_number, strsignal(c->signal_number));
    if (c->stage != NULL)
        fprintf(stream, ", stage %s", c->stage);
    fprintf(stream, ", attempts %d: %s", c->attempts, c->reason != NULL ? c->reason : "the record of why is damaged");
}

static void print_running(const mt_folder_case *c, FILE *stream)
{
    if (c->tiles_total > 0)
        fprintf(stream, "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles (%.0f %%), ", c->tiles_done, c->tiles_total,
                100 * (double)c->tiles_done / (double)c->tiles_total);
    fprintf(stream, "on %s, process %d", c->run->host, c->run->pid);
}

static void print_case(const mt_folder_case *c, FILE *stream)
{
    fprintf(stream, "%-*s %-8s ", ID_WIDTH, c->id, mt_case_state_name(c->state));
    if (c->state == MT_STATE_DONE)
        print_done(c, stream);
    else if (c->state == MT_STATE_FAILED)
        print_failed(c, stream);
    else if (c->state == MT_STATE_RUNNING)
        print_running(c, stream);
    else if (c->run != NULL)
        fprintf(stream, "begun on %s, whose process %d is gone", c->run->host, c->run->pid);
    fputc('\n', stream);
}

void mt_status_totals(const mt_folder *f, FILE *stream)
{
    fprintf(stream, "%d of %u done, %d failed, %d running, %d pending", f->n[MT_STATE_DONE], f->cases->len, f->n[MT_STATE_FAILED],
            f->n[MT_STATE_RUNNING], f->n[MT_STATE_PENDING]);
    if (f->withheld > 0)
        fprintf(stream, "; withheld: %d", f->withheld);
    if (f->superseded > 0)
        fprintf(stream, "; superseded: %d", f->superseded);
    if (f->n[MT_STATE_RUNNING] > 0 && isfinite(f->seconds_left)) {
        fputs("; about ", stream);
        print_duration(stream, f->seconds_left);
        fputs(" left", stream);
    } else if (f->n[MT_STATE_RUNNING] == 0 && f->n[MT_STATE_PENDING] > 0)
        fputs("; nobody works on it: run the same command again to resume", stream);
    fputc('\n', stream);
    for (guint i = 0; i < f->runs->len; i++) {
        const mt_folder_run *run = f->runs->pdata[i];
        if (run->alive && run->watch_stalled)
            fprintf(stream, "the folder that is watched on %s, process %d, does not answer\n", run->host, run->pid);
    }
}

void mt_status_table(const mt_folder *f, bool brief, FILE *stream)
{
    for (guint i = 0; i < f->cases->len; i++) {
        const mt_folder_case *c = f->cases->pdata[i];
        if (!brief || c->state == MT_STATE_RUNNING || c->state == MT_STATE_FAILED)
            print_case(c, stream);
    }
    mt_status_totals(f, stream);
}

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void set_text(json_t *object, const char *name, const char *value)
{
    if (value != NULL)
        json_object_set_new(object, name, json_string(value));
}

static void set_done(json_t *o, const mt_folder_case *c)
{
    set_text(o, "status", c->status);
    set_text(o, "decision", c->decision);
    json_object_set_new(o, "score", number_or_null(c->score));
    if (c->tiles >= 0) {
        json_object_set_new(o, "tiles", json_integer(c->tiles));
        json_object_set_new(o, "invalid_tiles", json_integer(c->invalid_tiles));
    }
    if (c->seconds >= 0)
        json_object_set_new(o, "seconds", json_real(c->seconds));
}

static void set_failed(json_t *o, const mt_folder_case *c)
{
    set_text(o, "reason", c->reason);
    set_text(o, "stage", c->stage);
    set_text(o, "kind", c->kind);
    json_object_set_new(o, "exit_code", json_integer(c->exit_code));
    json_object_set_new(o, "attempts", json_integer(c->attempts));
    if (c->signal_number != 0)
        json_object_set_new(o, "signal", json_integer(c->signal_number));
}

static json_t *case_json(const mt_folder_case *c)
{
    json_t *o = json_pack("{s:s s:s}", "id", c->id, "state", mt_case_state_name(c->state));

    set_text(o, "patient", c->patient);
    if (c->state == MT_STATE_DONE)
        set_done(o, c);
    else if (c->state == MT_STATE_FAILED)
        set_failed(o, c);
    else if (c->run != NULL) {
        json_object_set_new(o, "host", json_string(c->run->host));
        json_object_set_new(o, "pid", json_integer(c->run->pid));
        json_object_set_new(o, "tiles_done", json_integer(c->tiles_done));
        json_object_set_new(o, "tiles_total", json_integer(c->tiles_total));
    }
    if (c->superseded > 0)
        json_object_set_new(o, "superseded", json_integer(c->superseded));
    return o;
}

static json_t *runs_json(const mt_folder *f)
{
    json_t *list = json_array();

    for (guint i = 0; i < f->runs->len; i++) {
        const mt_folder_run *run = f->runs->pdata[i];
        json_array_append_new(list,
                              json_pack("{s:s s:i s:b s:b s:b s:i s:i s:f}", "host", run->host, "pid", run->pid, "watch_stalled",
                                        (int)(run->alive && run->watch_stalled), "alive", (int)run->alive, "ended", (int)run->ended, "done",
                                        run->done, "failed", run->failed, "seconds", (double)(run->seen_us - run->began_us) / 1e6));
    }
    return list;
}

void mt_status_json(const mt_folder *f, FILE *stream)
{
    json_t *cases = json_array();

    for (guint i = 0; i < f->cases->len; i++)
        json_array_append_new(cases, case_json(f->cases->pdata[i]));
    json_t *root =
        json_pack("{s:i s:i s:i s:i s:i s:i s:i s:i s:i s:i s:I s:o s:o s:o}", "total", (int)f->cases->len, "done", f->n[MT_STATE_DONE],
                  "failed", f->n[MT_STATE_FAILED], "running", f->n[MT_STATE_RUNNING], "pending", f->n[MT_STATE_PENDING], "withheld",
                  f->withheld, "superseded", f->superseded, "urgent", f->urgent, "review", f->review, "clear", f->clear, "tiles",
                  (json_int_t)f->tiles, "seconds_left", number_or_null(f->seconds_left), "runs", runs_json(f), "cases", cases);
    json_dumpf(root, stream, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    fputc('\n', stream);
    json_decref(root);
}

int mt_status_exit_code(const mt_folder *f)
{
    if (f->n[MT_STATE_FAILED] > 0)
        return 65;
    return f->n[MT_STATE_RUNNING] + f->n[MT_STATE_PENDING] > 0 ? 75 : 0;
}
