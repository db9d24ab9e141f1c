#include "tools/tile_report.h"

#include <jansson.h>
#include <stdio.h>

struct mt_tile_report {
    json_t *cases; /* NULL: people read it */
    int64_t tiles, written, cut_now, invalid_tiles, bytes;
    int     failed;
    double  seconds;
};

mt_tile_report *mt_tile_report_new(bool json)
{
    mt_tile_report *report = g_new0(mt_tile_report, 1);

    report->cases = json ? json_array() : NULL;
    return report;
}

static double rate(int64_t tiles, double seconds)
{
    return seconds > 0 ? (double)tiles / seconds : 0;
}

static json_t *invalid_list(const mt_cut_summary *s)
{
    json_t *list = json_array();

    for (guint i = 0; s->invalid != NULL && i < s->invalid->len; i++) {
        const mt_cut_invalid *v = &g_array_index(s->invalid, mt_cut_invalid, i);
        json_array_append_new(list, json_pack("{s:I s:I s:I s:s}", "x", (json_int_t)v->tile.x, "y", (json_int_t)v->tile.y, "plane",
                                              (json_int_t)v->tile.plane, "reason", v->reason));
    }
    return list;
}

static json_t *case_json(const mt_job *job, const char *folder, const mt_cut_summary *s, const GError *error)
{
    json_t *o = json_pack("{s:s s:s s:s s:I s:I s:I s:I s:I s:f s:f s:I s:o}", "id", job->id, "folder", folder, "status",
                          error != NULL ? "failed"
                          : s->unusable ? "unusable"
                          : s->finished ? "finished already"
                                        : "done",
                          "tiles", (json_int_t)s->tiles, "written", (json_int_t)s->written, "cut_now", (json_int_t)s->cut_now, "shards",
                          (json_int_t)s->shards, "bytes", (json_int_t)s->bytes, "seconds", s->seconds, "tiles_per_second",
                          rate(s->cut_now, s->seconds), "invalid_tiles", (json_int_t)s->invalid_tiles, "invalid", invalid_list(s));

    json_object_set_new(o, "excluded_tiles", json_integer(s->excluded_tiles));
    if (error != NULL)
        json_object_set_new(o, "error", json_string(error->message));
    return o;
}

static void warn(const mt_job *job, const mt_cut_summary *s)
{
    if (s->excluded_tiles > 0)
        fprintf(stderr, "microtome tile: %" G_GINT64_FORMAT " tiles of case '%s' were dropped for artefacts\n", s->excluded_tiles, job->id);
    if (s->invalid_tiles > 0)
        fprintf(stderr,
                "microtome tile: warning: %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles of case '%s' could not be decoded and are not "
                "written (valid=0 in tiles.csv); the first: %s\n",
                s->invalid_tiles, s->tiles, job->id, g_array_index(s->invalid, mt_cut_invalid, 0).reason);
    if (s->tiles == 0)
        fprintf(stderr, "microtome tile: warning: no tile of case '%s' has enough foreground: see --mask and --min-share\n", job->id);
}

void mt_tile_report_add(mt_tile_report *report, const mt_job *job, const char *folder, const mt_cut_summary *s, const GError *error)
{
    report->tiles += s->tiles;
    report->written += s->written;
    report->cut_now += s->cut_now;
    report->invalid_tiles += s->invalid_tiles;
    report->bytes += s->bytes;
    report->seconds += s->seconds;
    report->failed += error != NULL || s->unusable;
    if (error == NULL)
        warn(job, s);
    if (report->cases != NULL)
        json_array_append_new(report->cases, case_json(job, folder, s, error));
    else if (error == NULL)
        printf("%" G_GINT64_FORMAT " tiles in %s%s\n", s->written, folder, s->finished ? " (there already)" : "");
}

void mt_tile_report_end(mt_tile_report *report)
{
    if (report->cases != NULL) {
        json_t *root =
            json_pack("{s:I s:I s:I s:I s:f s:f s:i s:O}", "tiles", (json_int_t)report->tiles, "written", (json_int_t)report->written,
                      "invalid_tiles", (json_int_t)report->invalid_tiles, "bytes", (json_int_t)report->bytes, "seconds", report->seconds,
                      "tiles_per_second", rate(report->cut_now, report->seconds), "failed", report->failed, "cases", report->cases);
        json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        json_decref(root);
        json_decref(report->cases);
    }
    g_free(report);
}
