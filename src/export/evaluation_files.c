/* The files of an evaluation. */
#include "src/export/evaluation_parts.h"

#include "src/base/csv.h"
#include "src/base/publish.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static void append_number(GString *line, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_c(line, ',');
    if (isfinite(value))
        g_string_append(line, g_ascii_formatd(text, sizeof text, "%.15g", value));
}

static void append_header(GString *table, const mt_evaluation *e)
{
    const char *const *names = mt_targets_labels(e->targets);

    g_string_append(table, "id,patient,status");
    for (int k = 0; k < e->n_labels; k++) {
        g_autofree char *name = g_strconcat("score_", names[k], NULL);
        mt_csv_append_text(table, name, false);
    }
    if (e->task == MT_TASK_MULTILABEL)
        for (int k = 0; k < e->n_labels; k++) {
            g_autofree char *name = g_strconcat("truth_", names[k], NULL);
            mt_csv_append_text(table, name, false);
        }
    else
        g_string_append(table, e->risk_groups != NULL ? ",time,event,risk,group" : ",truth,called,right");
    if (e->n_trained_on > 0)
        g_string_append(table, ",trained_on");
    g_string_append_c(table, '\n');
}

static void append_truth(GString *table, const mt_evaluation *e, const mt_subject *s)
{
    const char *const *names = mt_targets_labels(e->targets);

    if (e->task == MT_TASK_MULTILABEL) {
        for (int k = 0; k < e->n_labels; k++)
            append_number(table, (double)s->holds[k]);
    } else if (e->risk_groups != NULL) {
        double risk = mt_evaluation_risk(e, s);
        append_number(table, s->time);
        append_number(table, s->event);
        append_number(table, risk);
        mt_csv_append_text(table, e->risk_groups->groups[risk >= e->risk_groups->cut].name, false);
    } else {
        mt_csv_append_text(table, names[s->truth], false);
        mt_csv_append_text(table, names[s->called], false);
        append_number(table, s->truth == s->called);
    }
}

char *mt_evaluation_csv(const mt_evaluation *e)
{
    GString *table = g_string_new(NULL);

    append_header(table, e);
    for (guint i = 0; i < e->subjects->len; i++) {
        const mt_subject *s = e->subjects->pdata[i];
        mt_csv_append_text(table, s->id, true);
        mt_csv_append_text(table, s->patient, false);
        mt_csv_append_text(table, s->prediction->status, false);
        for (int k = 0; k < e->n_labels; k++)
            append_number(table, s->scores[k]);
        append_truth(table, e, s);
        if (e->n_trained_on > 0)
            append_number(table, s->trained_on);
        g_string_append_c(table, '\n');
    }
    return g_string_free(table, FALSE);
}

static bool publish(const char *folder, const char *name, char *text, GError **error)
{
    g_autofree char *owned = text;
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return mt_publish_text(path, owned, true, error);
}

bool mt_evaluation_write(const mt_evaluation *e, const char *folder, int gallery, GError **error)
{
    if (g_mkdir_with_parents(folder, 0755) != 0) {
        mt_publish_io_error(error, "create folder", folder, errno);
        return false;
    }
    return publish(folder, "cases.csv", mt_evaluation_csv(e), error) &&
           publish(folder, "evaluation.html", mt_evaluation_html(e, gallery), error) &&
           publish(folder, "evaluation.json", mt_evaluation_json(e), error);
}
