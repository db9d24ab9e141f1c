/* The way of a model from float to int8: prepare, observe, choose ranges, drop what costs too much, write. */
#include "kernels/graph/passes.h"
#include "kernels/onnx/model_private.h"
#include "kernels/onnx/write_model.h"
#include "kernels/quantize/balance_channels.h"
#include "kernels/quantize/layer_noise.h"
#include "kernels/reference/element.h"

#include <math.h>

/* Samples that a search looks at; the last word is all of them. */
#define SEARCH_SAMPLES 16
#define NOISE_SAMPLES 4

typedef struct {
    mt_model                 *model;
    const mt_quantize_params *params;
    mt_samples                samples; /* in an order in which the first few are spread over all */
    mt_tensor               **spread;
    GPtrArray                *halves; /* samples made float16, which the model's input is */
    mt_graph                 *graph;  /* what is quantised: passes of the model done */
    mt_quantize_plan         *plan;
    mt_calibration_run        run;
    GHashTable               *ranges; /* mt_value -> mt_affine */
    double                    cosine;
    int                       n_balanced;
} job;

static void clear_job(job *j)
{
    g_clear_pointer(&j->spread, g_free);
    g_clear_pointer(&j->halves, g_ptr_array_unref);
    g_clear_pointer(&j->ranges, g_hash_table_unref);
    g_clear_pointer(&j->run.seen, g_hash_table_unref);
    g_clear_pointer(&j->run.outputs, g_ptr_array_unref);
    g_clear_pointer(&j->run.compared, g_ptr_array_unref);
    g_clear_pointer(&j->plan, mt_quantize_plan_free);
    g_clear_pointer(&j->graph, mt_graph_free);
}

static bool is_share(double value)
{
    return value >= 0 && value <= 1;
}

static bool check_params(const mt_quantize_params *p, const mt_model *model, GError **error)
{
    bool balance = is_share(p->balance) || p->balance == MT_BALANCE_OFF || p->balance == MT_BALANCE_SEARCH;

    if (p->percentile != 0 && !(p->percentile > 50 && p->percentile <= 100))
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "a percentile of %g: above 50, at most 100", p->percentile);
    else if (!balance)
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "a balance of %g: 0 to 1", p->balance);
    else if (!(p->min_cosine >= 0 && p->min_cosine < 1))
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "a cosine of %g: at least 0, below 1", p->min_cosine);
    else if (p->threads < 1 || p->output < -1 || p->output >= model->n_outputs)
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "%d threads, output %d: at least 1, and one of %d or -1", p->threads, p->output,
                    model->n_outputs);
    else
        return true;
    return false;
}

static bool check_model(const mt_model *model, GError **error)
{
    if (mt_model_is_quantized(model))
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "it is quantised already: it has QuantizeLinear nodes; start from the float model");
    else if (model->opset < 13)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "opset %" G_GINT64_FORMAT " has no scales per channel; export the model again with opset 13 or later", model->opset);
    else
        return true;
    return false;
}

static bool check_samples(const job *j, GError **error)
{
    if (j->samples.n < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "no calibration samples: the ranges of activations come from them");
        return false;
    }
    for (int i = 0; i < j->samples.n * j->samples.n_inputs; i++) {
        const mt_tensor *tensor = j->samples.tensors[i];
        const mt_port   *port = &j->model->inputs[i % j->samples.n_inputs];

        if (tensor->dtype != port->dtype && !(tensor->dtype == MT_F32 && port->dtype == MT_F16)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "calibration sample %d holds %s, input '%s' is %s", i / j->samples.n_inputs,
                        mt_dtype_name(tensor->dtype), port->name, mt_dtype_name(port->dtype));
            return false;
        }
        for (int64_t k = 0; tensor->dtype == MT_F32 && k < mt_tensor_count(tensor); k++)
            if (!isfinite(((const float *)tensor->data)[k])) {
                g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "calibration sample %d: input '%s' is not finite", i / j->samples.n_inputs,
                            port->name);
                return false;
            }
    }
    return true;
}

/* Passes may have put another value in an output's place: it takes over the name that callers know. */
static void restore_output_names(job *j)
{
    for (guint i = 0; i < j->graph->outputs->len; i++) {
        mt_value *value = j->graph->outputs->pdata[i];

        if (value->producer == NULL)
            continue;
        g_free(value->name);
        value->name = g_strdup(j->model->outputs[i].name);
    }
}

static bool keep_by_name(job *j, GError **error)
{
    for (const char *const *name = j->params->keep; name != NULL && *name != NULL; name++) {
        bool found = false;

        for (guint i = 0; i < j->plan->layers->len; i++) {
            mt_layer *layer = mt_quantize_plan_layer(j->plan, i);
            if (strcmp(layer->node->name, *name) != 0)
                continue;
            layer->keep = MT_KEEP_BY_NAME;
            found = true;
        }
        if (!found) {
            g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "keep '%s': no convolution or product with constant weights has this name", *name);
            return false;
        }
    }
    return true;
}

/* The first SEARCH_SAMPLES evenly from all, then the others in their order. */
static void spread_samples(job *j)
{
    int    n = j->samples.n, first = MIN(n, SEARCH_SAMPLES), at = 0;
    size_t one = sizeof(mt_tensor *) * (size_t)j->samples.n_inputs;

    j->spread = g_new0(mt_tensor *, (gsize)n * (gsize)j->samples.n_inputs + 1);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0, next = 0; i < n; i++) {
            bool chosen = next < first && i == (2 * next + 1) * n / (2 * first);

            next += chosen;
            if (chosen == (pass == 0))
                memcpy(j->spread + (ptrdiff_t)at++ * j->samples.n_inputs, j->samples.tensors + (ptrdiff_t)i * j->samples.n_inputs, one);
        }
    j->samples.tensors = j->spread;
}

static mt_tensor *half_of(const mt_tensor *tensor, GError **error)
{
    mt_tensor *half = mt_tensor_new(MT_F16, tensor->rank, tensor->shape, error);

    for (int64_t i = 0; half != NULL && i < mt_tensor_count(tensor); i++)
        ((uint16_t *)half->data)[i] = mt_half_from_double(((const float *)tensor->data)[i]);
    return half;
}

/* Where an input is float16, so are the samples. */
static bool narrow_samples(job *j, GError **error)
{
    j->halves = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    for (int i = 0; i < j->samples.n * j->samples.n_inputs; i++) {
        mt_tensor *half;

        if (j->spread[i]->dtype == j->model->inputs[i % j->samples.n_inputs].dtype)
            continue;
        half = half_of(j->spread[i], error);
        if (half == NULL)
            return false;
        g_ptr_array_add(j->halves, half);
        j->spread[i] = half;
    }
    return true;
}

static bool prepare(job *j, GError **error)
{
    spread_samples(j);
    if (!narrow_samples(j, error))
        return false;
    j->graph = mt_graph_clone(j->model->graph);
    if (!mt_passes_of_model(j->graph, false, error))
        return false;
    restore_output_names(j);
    j->plan = mt_quantize_plan_new(j->graph);
    if (!keep_by_name(j, error))
        return false;
    mt_quantize_plan_update(j->plan);
    if (j->plan->values->len == 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "nothing to quantise: no Conv, MatMul or Gemm with constant float32 weights%s",
                    j->params->keep != NULL ? " is left" : "");
        return false;
    }
    j->run = (mt_calibration_run){.graph = j->graph, .samples = &j->samples, .params = j->params};
    j->run.compared = g_ptr_array_new();
    for (guint i = 0; i < j->graph->outputs->len; i++) {
        mt_value *output = j->graph->outputs->pdata[i];
        if ((j->params->output < 0 || j->params->output == (int)i) && mt_calibration_run_float_of(output) != NULL)
            g_ptr_array_add(j->run.compared, output);
    }
    if (j->run.compared->len == 0 && j->params->min_cosine > 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "no output of floats whose cosine could be measured: ask for none with --cosine 0");
        return false;
    }
    j->run.outputs = g_ptr_array_new_with_free_func((GDestroyNotify)mt_tensor_unref);
    return true;
}

static void choose_ranges(job *j)
{
    double percentile = j->params->percentile > 0 ? j->params->percentile : 99.99;

    for (guint i = 0; i < j->plan->values->len; i++) {
        mt_value  *value = j->plan->values->pdata[i];
        mt_affine *range = g_new(mt_affine, 1);

        *range =
            mt_observed_choose(mt_calibration_run_seen(&j->run, mt_quantize_plan_source(j->plan, value)), j->params->method, percentile);
        g_hash_table_replace(j->ranges, value, range);
    }
}

static bool observe(job *j, GError **error)
{
    bool wanted = j->params->balance != MT_BALANCE_OFF;
    g_autoptr(mt_balance) balance = wanted ? mt_balance_new(j->plan) : NULL;

    if (!mt_calibration_run_extremes(&j->run, j->plan->values, wanted ? mt_balance_values(balance) : NULL, error))
        return false;
    j->n_balanced = wanted ? mt_balance_apply(balance, &j->run, j->params->balance, error) : 0;
    if (j->n_balanced < 0)
        return false;
    return j->params->method == MT_RANGE_MINMAX || mt_calibration_run_histograms(&j->run, j->plan->values, error);
}

/* The cosine of the model as the plan stands, over the first n samples. */
static bool measure(job *j, int n, GError **error)
{
    mt_insert_qdq      insert = {.plan = j->plan, .ranges = j->ranges, .widened = true};
    mt_samples         few = j->samples;
    mt_calibration_run run = j->run;

    few.n = MIN(few.n, n);
    run.samples = &few;
    choose_ranges(j);
    mt_graph *rounded = mt_insert_qdq_run(&insert, error);
    bool      done = rounded != NULL && mt_calibration_run_compare(&run, rounded, &j->cosine, error);
    g_clear_pointer(&rounded, mt_graph_free);
    return done;
}

static bool measure_noise(job *j, GError **error)
{
    mt_insert_qdq insert = {.plan = j->plan, .ranges = j->ranges, .widened = true};
    mt_samples    few = j->samples;

    few.n = MIN(few.n, NOISE_SAMPLES);
    return mt_layer_noise_measure(&insert, &few, error);
}

static void keep_noisiest(job *j, const GArray *order, guint n)
{
    for (guint i = 0; i < order->len; i++)
        mt_quantize_plan_layer(j->plan, g_array_index(order, guint, i))->keep = i < n ? MT_KEEP_BY_MEASURE : MT_KEEP_NOT;
    mt_quantize_plan_update(j->plan);
}

/* How many of the noisiest layers are kept float is doubled until the cosine is reached, then halved back to the fewest. */
static bool search_fewest(job *j, const GArray *order, guint *fewest, GError **error)
{
    guint low = *fewest, high = low + 1; /* low is too few */

    for (;; low = high, high = MIN(2 * high, order->len)) {
        keep_noisiest(j, order, high);
        if (high == order->len)
            break;
        if (!measure(j, SEARCH_SAMPLES, error))
            return false;
        if (j->cosine >= j->params->min_cosine)
            break;
    }
    while (high - low > 1) {
        guint middle = low + (high - low) / 2;

        keep_noisiest(j, order, middle);
        if (!measure(j, SEARCH_SAMPLES, error))
            return false;
        if (j->cosine >= j->params->min_cosine)
            high = middle;
        else
            low = middle;
    }
    *fewest = high;
    keep_noisiest(j, order, high);
    return true;
}

static bool refuse_all_float(const job *j, double cosine, GError **error)
{
    g_set_error(
        error, MT_ERROR, MT_ERROR_MODEL,
        "with every layer in int8 the smallest cosine is %.6f, and no layer can be in int8 for %g: ask for less with --cosine, or keep "
        "the model float",
        cosine, j->params->min_cosine);
    return false;
}

/* The last word of a search over a few samples is spoken by all: one more layer is kept until they agree. */
static bool reach_cosine(job *j, GError **error)
{
    if (!measure(j, j->samples.n, error))
        return false;
    if (j->cosine >= j->params->min_cosine)
        return true;
    double first = j->cosine;
    if (!measure_noise(j, error))
        return false;
    g_autoptr(GArray) order = mt_layer_noise_order(j->plan);
    guint kept = 0;
    while (j->cosine < j->params->min_cosine) {
        if (!search_fewest(j, order, &kept, error))
            return false;
        if (kept >= order->len)
            return refuse_all_float(j, first, error);
        if (!measure(j, j->samples.n, error))
            return false;
    }
    return true;
}

static bool write_result(job *j, const char *target, GError **error)
{
    mt_insert_qdq insert = {.plan = j->plan, .ranges = j->ranges};

    choose_ranges(j);
    mt_graph *graph = mt_insert_qdq_run(&insert, error);
    if (graph == NULL)
        return false;
    mt_onnx_file file = {.graph = graph, .metadata = j->model->metadata, .replace = j->params->replace};
    bool         done = mt_onnx_file_write(&file, target, error);
    mt_graph_free(graph);
    return done;
}

static mt_quantize_report *make_report(const job *j)
{
    mt_quantize_report *report = g_new0(mt_quantize_report, 1);

    report->n_layers = (int)j->plan->layers->len;
    report->n_balanced = j->n_balanced;
    report->cosine = j->cosine;
    report->layers = g_new0(mt_quantized_layer, report->n_layers);
    for (int i = 0; i < report->n_layers; i++) {
        const mt_layer *layer = mt_quantize_plan_layer(j->plan, (guint)i);

        report->layers[i] = (mt_quantized_layer){.node = g_strdup(layer->node->name),
                                                 .op = g_strdup(layer->node->op),
                                                 .quantized = layer->keep == MT_KEEP_NOT,
                                                 .by_measure = layer->keep == MT_KEEP_BY_MEASURE,
                                                 .snr_db = layer->snr_db};
        report->n_quantized += report->layers[i].quantized;
    }
    return report;
}

void mt_quantize_report_free(mt_quantize_report *report)
{
    if (report == NULL)
        return;
    for (int i = 0; i < report->n_layers; i++) {
        g_free(report->layers[i].node);
        g_free(report->layers[i].op);
    }
    g_free(report->layers);
    g_free(report);
}

static bool run_job(job *j, const char *target, GError **error)
{
    if (!check_params(j->params, j->model, error) || !check_model(j->model, error) || !check_samples(j, error) || !prepare(j, error))
        return false;
    j->ranges = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    if (!observe(j, error))
        return false;
    if (j->params->min_cosine > 0 && !reach_cosine(j, error))
        return false;
    return write_result(j, target, error);
}

bool mt_model_quantize(mt_model *model, const mt_quantize_params *params, mt_tensor *const *samples, int n_samples, const char *target,
                       mt_quantize_report **report, GError **error)
{
    job j = {.model = model, .params = params, .cosine = NAN};

    j.samples = (mt_samples){.tensors = samples, .n = n_samples, .n_inputs = model->n_inputs, .threads = params->threads};
    bool done = run_job(&j, target, error);
    if (done && report != NULL)
        *report = make_report(&j);
    if (!done)
        g_prefix_error(error, "quantise %s: ", model->name);
    clear_job(&j);
    return done;
}
