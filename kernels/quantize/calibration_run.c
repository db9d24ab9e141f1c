#include "kernels/quantize/calibration_run.h"

#include "kernels/graph/match.h"

#include <math.h>

typedef struct {
    mt_calibration_run *run;
    const GPtrArray    *values; /* those asked for, then the compared outputs */
    guint               n;      /* asked for */
    const char         *stage;
    int                 last; /* sample that progress was told of */
} watcher;

static void free_observed(gpointer data)
{
    mt_observed_clear(data);
    g_free(data);
}

mt_observed *mt_calibration_run_seen(const mt_calibration_run *run, const mt_value *value)
{
    return g_hash_table_lookup(run->seen, value);
}

mt_value *mt_calibration_run_float_of(mt_value *output)
{
    const mt_node *cast = mt_made_by(output, "Cast");

    if (output->producer != NULL && output->dtype == MT_F32)
        return output;
    return cast != NULL && output->dtype == MT_F16 && mt_node_input(cast, 0)->dtype == MT_F32 ? mt_node_input(cast, 0) : NULL;
}

static void tell(watcher *w, int sample)
{
    const mt_quantize_params *params = w->run->params;

    if (params->progress != NULL && sample > w->last)
        params->progress(params->progress_user, w->stage, sample, w->run->samples->n);
    w->last = MAX(w->last, sample);
}

static bool keep_output(mt_calibration_run *run, int sample, guint which, const mt_tensor *tensor, GError **error)
{
    mt_tensor *copy = mt_tensor_new(tensor->dtype, tensor->rank, tensor->shape, error);

    if (copy == NULL)
        return false;
    memcpy(copy->data, tensor->data, mt_tensor_bytes(tensor));
    run->outputs->pdata[(guint)sample * run->compared->len + which] = copy;
    return true;
}

static bool see_extremes(void *user, int sample, int i, const mt_tensor *tensor, GError **error)
{
    watcher        *w = user;
    const mt_value *value = w->values->pdata[i];

    tell(w, sample);
    if ((guint)i >= w->n)
        return keep_output(w->run, sample, (guint)i - w->n, tensor, error);
    if (mt_observed_extremes(mt_calibration_run_seen(w->run, value), tensor->data, mt_tensor_count(tensor)))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "value '%s' is not finite for a calibration sample", value->name);
    return false;
}

static bool see_counts(void *user, int sample, int i, const mt_tensor *tensor, GError **error)
{
    watcher *w = user;

    (void)error;
    tell(w, sample);
    mt_observed_count(mt_calibration_run_seen(w->run, w->values->pdata[i]), tensor->data, mt_tensor_count(tensor));
    return true;
}

static void begin(mt_calibration_run *run, const mt_value *value, GHashTable *channels)
{
    mt_observed *seen = g_new0(mt_observed, 1);
    bool         wanted = channels != NULL && g_hash_table_contains(channels, value) && value->rank > 0;

    mt_observed_init(seen, wanted ? MAX(value->shape[value->rank - 1], 0) : 0);
    g_hash_table_insert(run->seen, (gpointer)value, seen);
}

bool mt_calibration_run_extremes(mt_calibration_run *run, const GPtrArray *values, GHashTable *channels, GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    watcher w = {.run = run, .values = all, .n = values->len, .stage = "observe ranges", .last = -1};

    g_clear_pointer(&run->seen, g_hash_table_unref);
    run->seen = g_hash_table_new_full(NULL, NULL, NULL, free_observed);
    for (guint i = 0; i < values->len; i++) {
        begin(run, values->pdata[i], channels);
        g_ptr_array_add(all, values->pdata[i]);
    }
    if (run->outputs != NULL) {
        g_ptr_array_set_size(run->outputs, 0);
        g_ptr_array_set_size(run->outputs, (gint)((guint)run->samples->n * run->compared->len));
        for (guint i = 0; i < run->compared->len; i++)
            g_ptr_array_add(all, mt_calibration_run_float_of(run->compared->pdata[i]));
    }
    return mt_sample_runs(run->graph, all, run->samples, see_extremes, &w, error);
}

bool mt_calibration_run_histograms(mt_calibration_run *run, const GPtrArray *values, GError **error)
{
    watcher w = {.run = run, .values = values, .n = values->len, .stage = "count histograms", .last = -1};

    return mt_sample_runs(run->graph, values, run->samples, see_counts, &w, error);
}

/* Rows of n numbers; NaN when either is not finite or one alone is zero. */
static double cosine_of(const float *a, const float *b, int64_t n)
{
    double aa = 0, bb = 0, ab = 0;

    for (int64_t i = 0; i < n; i++) {
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
        ab += (double)a[i] * b[i];
    }
    return aa == 0 && bb == 0 ? 1 : ab / sqrt(aa * bb);
}

static bool see_cosine(void *user, int sample, int i, const mt_tensor *tensor, GError **error)
{
    watcher         *w = ((gpointer *)user)[0];
    double          *least = ((gpointer *)user)[1];
    const mt_tensor *wanted = w->run->outputs->pdata[(guint)sample * w->run->compared->len + (guint)i];
    int64_t          rows = tensor->rank > 1 ? tensor->shape[0] : 1, n = rows > 0 ? mt_tensor_count(tensor) / rows : 0;

    (void)error;
    tell(w, sample);
    for (int64_t row = 0; row < rows; row++) {
        double cosine = cosine_of((const float *)tensor->data + row * n, (const float *)wanted->data + row * n, n);
        if (!(cosine >= *least))
            *least = isnan(cosine) ? -1 : cosine;
    }
    return true;
}

bool mt_calibration_run_compare(const mt_calibration_run *run, const mt_graph *other, double *cosine, GError **error)
{
    watcher  w = {.run = (mt_calibration_run *)run, .stage = "measure", .last = -1};
    gpointer user[2] = {&w, cosine};
    g_autoptr(GPtrArray) values = g_ptr_array_new();

    *cosine = 1;
    for (guint i = 0; i < run->compared->len; i++) {
        guint index;

        if (g_ptr_array_find(run->graph->outputs, run->compared->pdata[i], &index))
            g_ptr_array_add(values, mt_calibration_run_float_of(other->outputs->pdata[index]));
    }
    w.values = values;
    return mt_sample_runs(other, values, run->samples, see_cosine, user, error);
}
