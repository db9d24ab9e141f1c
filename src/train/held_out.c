#include "src/train/held_out.h"

#include <math.h>

mt_held_out *mt_held_out_new(const mt_cohort *cohort, const mt_targets *targets)
{
    mt_held_out *held_out = g_new0(mt_held_out, 1);

    held_out->cohort = cohort;
    held_out->targets = targets;
    held_out->n_labels = mt_targets_n_labels(targets);
    held_out->rows = g_array_new(FALSE, FALSE, sizeof(mt_held_out_row));
    held_out->scores = g_array_new(FALSE, FALSE, sizeof(float));
    held_out->logits = g_array_new(FALSE, FALSE, sizeof(float));
    return held_out;
}

void mt_held_out_free(mt_held_out *held_out)
{
    if (held_out == NULL)
        return;
    g_array_unref(held_out->rows);
    g_array_unref(held_out->scores);
    g_array_unref(held_out->logits);
    g_free(held_out);
}

void mt_held_out_put(mt_held_out *held_out, guint at, int fold, const float *scores, const float *logits)
{
    mt_held_out_row row = {at, fold};

    g_array_append_val(held_out->rows, row);
    g_array_append_vals(held_out->scores, scores, (guint)held_out->n_labels);
    g_array_append_vals(held_out->logits, logits, (guint)held_out->n_labels);
}

bool mt_held_out_add(mt_held_out *held_out, const mt_head *head, guint at, int fold, int threads, GError **error)
{
    const mt_cohort_case *c = held_out->cohort->cases->pdata[at];
    g_autoptr(mt_head_output) output = mt_head_predict(head, &c->bag, &(mt_head_options){.threads = threads}, error);

    if (output == NULL) {
        g_prefix_error(error, "case %s: ", c->id);
        return false;
    }
    if (output->n_classes != held_out->n_labels) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "the head gives %" G_GINT64_FORMAT " scores for %d labels", output->n_classes,
                    held_out->n_labels);
        return false;
    }
    mt_held_out_put(held_out, at, fold, output->scores, output->logits);
    return true;
}

bool mt_held_out_once(const mt_held_out *held_out)
{
    g_autofree bool *seen = g_new0(bool, MAX(held_out->cohort->cases->len, 1));

    for (guint i = 0; i < held_out->rows->len; i++) {
        guint at = g_array_index(held_out->rows, mt_held_out_row, i).at;
        if (seen[at])
            return false;
        seen[at] = true;
    }
    return true;
}
