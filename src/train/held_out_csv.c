#include "src/base/csv.h"
#include "src/base/decimal.h"
#include "src/base/publish.h"
#include "src/train/held_out.h"

#include <math.h>

static void append_number(GString *text, double value)
{
    char digits[MT_DECIMAL_BYTES];

    g_string_append_printf(text, ",%s", isfinite(value) ? mt_decimal_text(value, digits) : "");
}

static void append_names(GString *text, const char *prefix, const char *const *labels)
{
    for (; *labels != NULL; labels++) {
        g_autofree char *name = g_strconcat(prefix, *labels, NULL);
        mt_csv_append_text(text, name, false);
    }
}

static void append_header(GString *text, const mt_held_out *h)
{
    const char *const *labels = mt_targets_labels(h->targets);
    mt_task            task = mt_targets_task(h->targets);

    g_string_append(text, "id,patient,fold,label");
    if (task == MT_TASK_MULTILABEL)
        append_names(text, "label_", labels);
    if (task == MT_TASK_HAZARD || task == MT_TASK_COX)
        g_string_append(text, ",time,event");
    append_names(text, "score_", labels);
    append_names(text, "logit_", labels);
    g_string_append_c(text, '\n');
}

/* The label; of findings all that hold; of survival nothing. */
static char *label_text(const mt_held_out *h, guint row)
{
    const char *const *labels = mt_targets_labels(h->targets);
    int class = mt_targets_class(h->targets, row);
    GString *text = g_string_new(NULL);

    if (mt_targets_task(h->targets) == MT_TASK_MULTILABEL) {
        for (int label = 0; label < h->n_labels; label++)
            if (mt_targets_holds(h->targets, row, label) > 0)
                g_string_append_printf(text, "%s%s", text->len > 0 ? "|" : "", labels[label]);
        if (text->len == 0)
            g_string_append(text, "No Finding");
    } else if (class >= 0 && mt_targets_task(h->targets) != MT_TASK_HAZARD)
        g_string_append(text, labels[class]);
    return g_string_free(text, FALSE);
}

static void append_row(GString *text, const mt_held_out *h, guint i, const char *const *fold_names)
{
    const mt_held_out_row *held = &g_array_index(h->rows, mt_held_out_row, i);
    const mt_cohort_case  *c = h->cohort->cases->pdata[held->at];
    g_autofree char       *label = label_text(h, c->row);
    mt_task                task = mt_targets_task(h->targets);

    mt_csv_append_text(text, c->id, true);
    mt_csv_append_text(text, c->patient, false);
    mt_csv_append_text(text, fold_names[held->fold], false);
    mt_csv_append_text(text, label, false);
    for (int k = 0; task == MT_TASK_MULTILABEL && k < h->n_labels; k++)
        append_number(text, mt_targets_holds(h->targets, c->row, k));
    if (task == MT_TASK_HAZARD || task == MT_TASK_COX) {
        append_number(text, mt_targets_time(h->targets, c->row));
        g_string_append(text, mt_targets_event(h->targets, c->row) ? ",1" : ",0");
    }
    for (int k = 0; k < h->n_labels; k++)
        append_number(text, mt_decimal_of_float(g_array_index(h->scores, float, i *(guint)h->n_labels + (guint)k)));
    for (int k = 0; k < h->n_labels; k++)
        append_number(text, mt_decimal_of_float(g_array_index(h->logits, float, i *(guint)h->n_labels + (guint)k)));
    g_string_append_c(text, '\n');
}

bool mt_held_out_write(const mt_held_out *held_out, const char *const *fold_names, const char *path, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    append_header(text, held_out);
    for (guint i = 0; i < held_out->rows->len; i++)
        append_row(text, held_out, i, fold_names);
    return mt_publish_text(path, text->str, true, error);
}
