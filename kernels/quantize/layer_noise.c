#include "kernels/quantize/layer_noise.h"

#include <math.h>

static bool see_sum(void *user, int sample, int i, const mt_tensor *tensor, GError **error)
{
    (void)sample;
    (void)error;
    ((double *)user)[i] += ((const float *)tensor->data)[0];
    return true;
}

static double decibels(double signal, double noise)
{
    return noise > 0 ? 10 * log10(MAX(signal, 1e-300) / noise) : INFINITY;
}

bool mt_layer_noise_measure(const mt_insert_qdq *insert, const mt_samples *samples, GError **error)
{
    GPtrArray *values = NULL;
    mt_graph  *graph = mt_insert_qdq_twins(insert, &values, error);

    if (graph == NULL)
        return false;
    g_autofree double *sums = g_new0(double, values->len + 1);
    bool               done = mt_sample_runs(graph, values, samples, see_sum, sums, error);
    guint              at = 0;
    for (guint i = 0; done && i < insert->plan->layers->len; i++) {
        mt_layer *layer = mt_quantize_plan_layer(insert->plan, i);
        if (layer->keep != MT_KEEP_NOT)
            continue;
        layer->snr_db = decibels(sums[at], sums[at + 1]);
        at += 2;
    }
    g_ptr_array_unref(values);
    mt_graph_free(graph);
    return done;
}

static gint compare_noise(gconstpointer a, gconstpointer b, gpointer user)
{
    const mt_quantize_plan *plan = user;
    guint                   i = *(const guint *)a, k = *(const guint *)b;
    double                  x = mt_quantize_plan_layer(plan, i)->snr_db, y = mt_quantize_plan_layer(plan, k)->snr_db;

    return x < y ? -1 : x > y ? 1 : i < k ? -1 : i > k;
}

GArray *mt_layer_noise_order(const mt_quantize_plan *plan)
{
    GArray *order = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < plan->layers->len; i++)
        if (mt_quantize_plan_layer(plan, i)->keep == MT_KEEP_NOT)
            g_array_append_val(order, i);
    g_array_sort_with_data(order, compare_noise, (gpointer)plan);
    return order;
}
