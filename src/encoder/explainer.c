#include "src/encoder/explainer.h"

#include "kernels/graph/gradient.h"
#include "kernels/graph/model_from_graph.h"
#include "kernels/onnx/model_private.h"
#include "kernels/tensor/mapped.h"
#include "src/base/alloc.h"
#include "src/encoder/encoder_private.h"
#include "src/encoder/explain_graph.h"

#include <math.h>
#include <string.h>

/* A graph that gives some of its values, and what they were in the last run. */
typedef struct stage {
    mt_model   *model;
    mt_session *session;
    GPtrArray  *values; /* mt_value * of the graph that was taken apart: output i */
    mt_tensor **tensors;
} stage;

/* The explanation of one output of the graph. */
typedef struct target {
    int64_t           first, width; /* its columns in the feature row */
    stage             there, back;  /* back: of methods with a gradient */
    mt_gradient      *gradient;
    mt_graph         *graph; /* whose values `there` gives */
    mt_value         *logits, *layer;
    mt_explain_linear linear;
    mt_tensor        *weights; /* of linear; NULL: it has none */
    mt_explain_places places;  /* of the layer */
    GPtrArray        *attention;
    char             *layer_name;
    int64_t           size[2];
    int64_t           prefix; /* tokens before the patches */
} target;

struct mt_explainer {
    mt_encoder       *encoder;
    mt_explain_method method;
    char             *layer;
    int               threads;
    target           *targets; /* encoder->n_outputs */
};

static const char *const names[MT_EXPLAIN_METHODS] = {"none", "auto", "cam", "gradcam", "saliency", "rollout", "occlusion"};

const char *mt_explain_method_name(mt_explain_method method)
{
    return names[method];
}

bool mt_explain_method_parse(const char *name, mt_explain_method *method)
{
    for (int i = 0; i < MT_EXPLAIN_METHODS; i++)
        if (g_strcmp0(name, names[i]) == 0) {
            *method = (mt_explain_method)i;
            return true;
        }
    return false;
}

static void stage_clear(stage *s)
{
    for (guint i = 0; s->tensors != NULL && i < s->values->len; i++)
        mt_tensor_unref(s->tensors[i]);
    g_free(s->tensors);
    g_clear_pointer(&s->values, g_ptr_array_unref);
    mt_session_free(s->session);
    mt_model_unref(s->model);
}

static void target_clear(target *t)
{
    stage_clear(&t->there);
    stage_clear(&t->back);
    mt_gradient_free(t->gradient);
    mt_graph_free(t->graph);
    g_clear_pointer(&t->attention, g_ptr_array_unref);
    g_clear_pointer(&t->weights, mt_tensor_unref);
    g_free(t->layer_name);
    memset(t, 0, sizeof *t);
}

void mt_explainer_free(mt_explainer *e)
{
    if (e == NULL)
        return;
    for (int i = 0; e->targets != NULL && i < e->encoder->n_outputs; i++)
        target_clear(&e->targets[i]);
    g_free(e->targets);
    g_free(e->layer);
    mt_encoder_unref(e->encoder);
    g_free(e);
}

/* Takes `graph`, whose outputs become the stage's. */
static bool stage_start(stage *s, mt_graph *graph, int threads, GError **error)
{
    guint               n = graph->inputs->len;
    g_autofree mt_port *ports = g_new0(mt_port, n + 1);

    s->model = mt_model_new_from_graph(graph, "explanation", error);
    if (s->model == NULL)
        return false;
    for (guint i = 0; i < n; i++)
        ports[i] = *mt_model_input(s->model, (int)i);
    const mt_session_params params = {.backend = MT_BACKEND_AUTO, .threads = threads, .inputs = ports, .n_inputs = (int)n};
    s->session = mt_session_new(s->model, &params, error);
    s->tensors = g_new0(mt_tensor *, s->values->len);
    for (guint i = 0; s->session != NULL && i < s->values->len; i++) {
        const mt_port *port = mt_session_output(s->session, (int)i);
        if ((s->tensors[i] = mt_tensor_new(port->dtype, port->rank, port->shape, error)) == NULL)
            return false;
    }
    return s->session != NULL;
}

static bool stage_run(stage *s, const void *const *inputs, GError **error)
{
    g_autofree void **outputs = g_new0(void *, s->values->len + 1);

    for (guint i = 0; i < s->values->len; i++)
        outputs[i] = s->tensors[i]->data;
    return mt_session_run(s->session, inputs, outputs, error);
}

/* The tensor of a value; NULL: the stage does not give it. */
static mt_tensor *stage_value(const stage *s, const mt_value *value)
{
    guint i;

    return g_ptr_array_find(s->values, value, &i) ? s->tensors[i] : NULL;
}

static void stage_want(stage *s, mt_value *value)
{
    if (!g_ptr_array_find(s->values, value, NULL))
        g_ptr_array_add(s->values, value);
}

/* The encoder's graph bound to one tile, output `output` alone. */
static mt_graph *bound_graph(const mt_encoder *encoder, int output, GError **error)
{
    const mt_card *card = encoder->card;
    const int64_t  shape[] = {1, card->channels == MT_CHANNELS_GRAY ? 1 : 3, card->size_px, card->size_px};
    g_autoptr(mt_graph) graph = mt_graph_clone(encoder->model->graph);
    mt_value *value = graph->outputs->pdata[output];

    g_ptr_array_set_size(graph->outputs, 0);
    mt_graph_mark_output(graph, value);
    if (!mt_graph_bind(graph, 0, 4, shape, error) || !mt_graph_infer(graph, error))
        return NULL;
    mt_graph_sweep(graph);
    return g_steal_pointer(&graph);
}

static bool refuse(const mt_explainer *e, mt_explain_method method, const char *what, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "explain %s by %s: %s", e->encoder->path, names[method], what);
    return false;
}

/* Tokens get the grid of their patches. */
static bool find_places(const mt_explainer *e, target *t, mt_explain_method method, GError **error)
{
    if (!mt_explain_read_places(t->layer, &t->places))
        return refuse(e, method, "the layer has no places", error);
    t->size[0] = t->places.rows;
    t->size[1] = t->places.columns;
    return !t->places.tokens || mt_explain_patches(t->graph, t->places.rows, t->size, &t->prefix) ||
           refuse(e, method, "the layer's tokens are no grid of patches", error);
}

static bool prepare_cam(mt_explainer *e, target *t, GError **error)
{
    if (!mt_explain_find_linear(t->logits, &t->linear))
        return refuse(e, MT_EXPLAIN_CAM, "its classes are no linear layer over the mean of a picture of features; try gradcam", error);
    t->layer = t->linear.features;
    stage_want(&t->there, t->layer);
    if (t->linear.weights != NULL && (t->weights = mt_tensor_aligned(t->linear.weights, error)) == NULL) /* a file may hold them anywhere */
        return false;
    return find_places(e, t, MT_EXPLAIN_CAM, error);
}

static bool prepare_rollout(mt_explainer *e, target *t, GError **error)
{
    t->attention = mt_explain_attention(t->graph);
    const mt_value *first = t->attention->len > 0 ? t->attention->pdata[0] : NULL;

    if (first == NULL)
        return refuse(e, MT_EXPLAIN_ROLLOUT, "it has no attention over all patches; try gradcam", error);
    int64_t tokens = first->shape[first->rank - 1];
    for (guint i = 0; i < t->attention->len; i++) {
        mt_value *a = t->attention->pdata[i];
        if (a->shape[a->rank - 1] != tokens)
            return refuse(e, MT_EXPLAIN_ROLLOUT, "its layers attend to different numbers of tokens; try occlusion", error);
        stage_want(&t->there, a);
    }
    return mt_explain_patches(t->graph, tokens, t->size, &t->prefix) ||
           refuse(e, MT_EXPLAIN_ROLLOUT, "its tokens are no grid of patches; try occlusion", error);
}

/* The way back from the classes to `layer`, and what it needs of the way there. */
static bool prepare_gradient(mt_explainer *e, target *t, GError **error)
{
    g_ptr_array_set_size(t->graph->outputs, 0);
    mt_graph_mark_output(t->graph, t->logits);
    t->gradient = mt_gradient_new(t->graph, &t->layer, 1, error);
    if (t->gradient == NULL || !mt_graph_infer(t->gradient->graph, error))
        return false;
    for (guint i = 0; i < t->gradient->saved->len; i++)
        if (((mt_value *)t->gradient->saved->pdata[i])->producer != NULL)
            stage_want(&t->there, t->gradient->saved->pdata[i]);
    t->back.values = g_ptr_array_new();
    g_ptr_array_add(t->back.values, t->gradient->graph->outputs->pdata[0]);
    return stage_start(&t->back, mt_graph_clone(t->gradient->graph), e->threads, error);
}

static bool prepare_gradcam(mt_explainer *e, target *t, GError **error)
{
    t->layer =
        e->layer != NULL ? mt_explain_find_layer(t->graph, t->logits, e->layer, error) : mt_explain_last_features(t->graph, t->logits);
    if (t->layer == NULL && e->layer != NULL)
        return false;
    if (t->layer == NULL)
        return refuse(
            e, MT_EXPLAIN_GRADCAM,
            "there is no picture of features through which all goes that its classes know; name a layer, or try rollout or occlusion",
            error);
    stage_want(&t->there, t->layer);
    return find_places(e, t, MT_EXPLAIN_GRADCAM, error) && prepare_gradient(e, t, error);
}

static bool prepare_saliency(mt_explainer *e, target *t, GError **error)
{
    t->layer = t->graph->inputs->pdata[0];
    t->size[0] = t->layer->shape[2];
    t->size[1] = t->layer->shape[3];
    return prepare_gradient(e, t, error);
}

static bool prepare(mt_explainer *e, target *t, mt_explain_method method, GError **error)
{
    bool ok = false;

    t->there.values = g_ptr_array_new();
    t->logits = mt_explain_logits(t->graph->outputs->pdata[0]);
    stage_want(&t->there, t->logits);
    switch (method) {
    case MT_EXPLAIN_CAM:
        ok = prepare_cam(e, t, error);
        break;
    case MT_EXPLAIN_GRADCAM:
        ok = prepare_gradcam(e, t, error);
        break;
    case MT_EXPLAIN_SALIENCY:
        ok = prepare_saliency(e, t, error);
        break;
    default:
        ok = prepare_rollout(e, t, error);
    }
    if (!ok)
        return false;
    t->layer_name = g_strdup(t->layer != NULL && t->layer->producer != NULL ? t->layer->producer->name : NULL);
    /* marked in the graph itself: a clone keeps their order */
    g_ptr_array_set_size(t->graph->outputs, 0);
    for (guint i = 0; i < t->there.values->len; i++)
        mt_graph_mark_output(t->graph, t->there.values->pdata[i]);
    return stage_start(&t->there, mt_graph_clone(t->graph), e->threads, error);
}

static bool prepare_all(mt_explainer *e, mt_explain_method method, GError **error)
{
    int64_t first = 0;

    if (mt_model_input(e->encoder->model, 0)->dtype != MT_F32)
        return refuse(e, method, "its graph computes in halves; try occlusion", error);
    if (e->encoder->fixed_batch > 1)
        return refuse(e, method, "its graph takes several tiles at once; try occlusion", error);
    e->targets = g_new0(target, e->encoder->n_outputs);
    for (int i = 0; i < e->encoder->n_outputs; i++) {
        target *t = &e->targets[i];
        t->first = first;
        t->width = e->encoder->dims[i];
        first += t->width;
        t->graph = bound_graph(e->encoder, e->encoder->outputs[i], error);
        if (t->graph == NULL || !prepare(e, t, method, error))
            break;
        if (i + 1 == e->encoder->n_outputs) {
            e->method = method;
            return true;
        }
    }
    for (int i = 0; i < e->encoder->n_outputs; i++)
        target_clear(&e->targets[i]);
    g_clear_pointer(&e->targets, g_free);
    return false;
}

mt_explainer *mt_explainer_new(const mt_encoder *encoder, const mt_explainer_params *params, GError **error)
{
    static const mt_explain_method order[] = {MT_EXPLAIN_CAM, MT_EXPLAIN_ROLLOUT, MT_EXPLAIN_GRADCAM};
    g_autoptr(mt_explainer) e = g_new0(mt_explainer, 1);

    e->encoder = mt_encoder_ref((mt_encoder *)(uintptr_t)encoder);
    e->layer = g_strdup(params->layer);
    e->threads = params->threads;
    if (params->method != MT_EXPLAIN_AUTO)
        return prepare_all(e, params->method, error) ? g_steal_pointer(&e) : NULL;
    for (size_t i = params->layer != NULL ? 2 : 0; i < G_N_ELEMENTS(order); i++)
        if (prepare_all(e, order[i], params->layer != NULL ? error : NULL))
            return g_steal_pointer(&e);
    return NULL;
}

mt_explain_method mt_explainer_method(const mt_explainer *e)
{
    return e->method;
}

const char *mt_explainer_layer(const mt_explainer *e)
{
    return e->targets[0].layer_name;
}

mt_explain_grid mt_explain_grid_even(const int64_t size[2], int64_t size_px)
{
    mt_explain_grid grid = {{size[0], size[1]}, {0, 0}, {0, 0}};

    for (int a = 0; a < 2; a++) {
        grid.jump[a] = (double)size_px / (double)size[a];
        grid.start[a] = (grid.jump[a] - 1) / 2;
    }
    return grid;
}

double mt_explain_grid_at(const mt_explain_grid *g, const float *map, double x, double y)
{
    double  v = CLAMP((y - g->start[0]) / g->jump[0], 0, (double)(g->size[0] - 1));
    double  u = CLAMP((x - g->start[1]) / g->jump[1], 0, (double)(g->size[1] - 1));
    int64_t x0 = (int64_t)u, y0 = (int64_t)v, x1 = MIN(x0 + 1, g->size[1] - 1), y1 = MIN(y0 + 1, g->size[0] - 1);
    double  right = u - (double)x0, low = v - (double)y0;

    return (1 - low) * ((1 - right) * (double)map[y0 * g->size[1] + x0] + right * (double)map[y0 * g->size[1] + x1]) +
           low * ((1 - right) * (double)map[y1 * g->size[1] + x0] + right * (double)map[y1 * g->size[1] + x1]);
}

mt_explain_grid mt_explainer_grid(const mt_explainer *e)
{
    const target   *t = e->targets;
    mt_explain_grid grid = mt_explain_grid_even(t->size, e->encoder->card->size_px);

    if (t->layer != NULL && (e->method == MT_EXPLAIN_CAM || e->method == MT_EXPLAIN_GRADCAM) &&
        !mt_explain_centres(t->layer, grid.start, grid.jump))
        return mt_explain_grid_even(t->size, e->encoder->card->size_px);
    return grid;
}

/* Channel c at place p of a layer; tokens before the patches are no places. */
static float feature_at(const target *t, const float *values, int64_t c, int64_t p)
{
    return values[(t->prefix + p) * t->places.step_place + c * t->places.step_channel];
}

/* Sum over the channels, weighed, in double; what speaks against the class is 0. */
static void weigh(const target *t, const float *features, const double *weights, float *map)
{
    for (int64_t p = 0; p < t->size[0] * t->size[1]; p++) {
        double sum = 0;
        for (int64_t c = 0; c < t->places.channels; c++)
            sum += weights[c] * (double)feature_at(t, features, c, p);
        map[p] = (float)MAX(sum, 0);
    }
}

static void map_cam(const target *t, int64_t class, float *map)
{
    int64_t            n = t->places.channels;
    g_autofree double *weights = g_new0(double, n);
    const mt_tensor   *stored = t->weights;

    for (int64_t c = 0; c < n; c++)
        weights[c] = stored != NULL ? t->linear.scale *
                                          (double)((const float *)stored->data)[class * t->linear.step_class + c * t->linear.step_channel]
                                    : (c == class ? 1 : 0);
    weigh(t, stage_value(&t->there, t->layer)->data, weights, map);
}

/* Slopes of the layer: the seed is 1 for the class. */
static bool run_back(target *t, int64_t class, const float *input, GError **error)
{
    g_autoptr(mt_tensor) seed = mt_tensor_new(MT_F32, t->logits->rank, t->logits->shape, error);
    g_autofree const void **inputs = g_new0(const void *, t->gradient->saved->len + 1);

    if (seed == NULL)
        return false;
    ((float *)seed->data)[class] = 1;
    inputs[0] = seed->data;
    for (guint i = 0; i < t->gradient->saved->len; i++) {
        const mt_value *value = t->gradient->saved->pdata[i];
        inputs[1 + i] = value->producer == NULL ? (const void *)input : stage_value(&t->there, value)->data;
    }
    return stage_run(&t->back, inputs, error);
}

static void map_gradcam(const target *t, float *map)
{
    int64_t            n = t->places.channels, places = t->size[0] * t->size[1];
    g_autofree double *weights = g_new0(double, n);
    const float       *slopes = t->back.tensors[0]->data;

    for (int64_t c = 0; c < n; c++)
        for (int64_t p = 0; p < places; p++)
            weights[c] += (double)feature_at(t, slopes, c, p) / (double)places;
    weigh(t, stage_value(&t->there, t->layer)->data, weights, map);
}

/* The largest slope of a pixel's channels, whatever its sign. */
static void map_saliency(const target *t, float *map)
{
    const float *slopes = t->back.tensors[0]->data;
    int64_t      places = t->size[0] * t->size[1];

    for (int64_t p = 0; p < places; p++) {
        map[p] = 0;
        for (int64_t c = 0; c < t->layer->shape[1]; c++)
            map[p] = fmaxf(map[p], fabsf(slopes[c * places + p]));
    }
}

/* The mean of the heads, half of it the token itself, rows of sum 1. */
static void mean_attention(const mt_tensor *a, int64_t n, double *mean)
{
    int64_t heads = mt_tensor_count(a) / (n * n);

    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < n; j++) {
            double m = 0;
            for (int64_t h = 0; h < heads; h++)
                m += (double)((const float *)a->data)[(h * n + i) * n + j] / (double)heads;
            mean[i * n + j] = 0.5 * m + (i == j ? 0.5 : 0);
            sum += mean[i * n + j];
        }
        for (int64_t j = 0; j < n; j++)
            mean[i * n + j] /= sum;
    }
}

/* Only the rows that are read are followed: that of the class token, or the mean of all. */
static bool map_rollout(const target *t, float *map, GError **error)
{
    const mt_value *last = t->attention->pdata[t->attention->len - 1];
    int64_t         n = last->shape[last->rank - 1];
    double         *mean = mt_alloc(n * n + 2 * n, sizeof(double), error), *row = mean != NULL ? mean + n * n : NULL, *next = row + n;

    if (mean == NULL)
        return false;
    for (int64_t j = 0; j < n; j++)
        row[j] = t->prefix > 0 ? j == 0 : 1 / (double)n;
    for (guint i = t->attention->len; i > 0; i--) {
        mean_attention(stage_value(&t->there, t->attention->pdata[i - 1]), n, mean);
        for (int64_t j = 0; j < n; j++) {
            next[j] = 0;
            for (int64_t k = 0; k < n; k++)
                next[j] += row[k] * mean[k * n + j];
        }
        memcpy(row, next, (size_t)n * sizeof *row);
    }
    for (int64_t p = 0; p < t->size[0] * t->size[1]; p++)
        map[p] = (float)row[t->prefix + p];
    mt_free(mean);
    return true;
}

static bool check_map(const mt_explainer *e, const target *t, const float *map, GError **error)
{
    for (int64_t p = 0; p < t->size[0] * t->size[1]; p++)
        if (!isfinite(map[p]))
            return refuse(e, e->method, "a place of the map is no number", error);
    return true;
}

bool mt_explainer_run(mt_explainer *e, const float *input, int64_t column, float *map, GError **error)
{
    target *t = e->targets;

    while (t - e->targets + 1 < e->encoder->n_outputs && column >= t->first + t->width)
        t++;
    int64_t class = column - t->first;
    const void *inputs[] = {input};
    if (class < 0 || class >= t->width || t->size[0] != e->targets[0].size[0] || t->size[1] != e->targets[0].size[1])
        return refuse(e, e->method, class < 0 || class >= t->width ? "it has no such class" : "its outputs see maps of different sizes",
                      error);
    if (!stage_run(&t->there, inputs, error))
        return false;
    if ((e->method == MT_EXPLAIN_GRADCAM || e->method == MT_EXPLAIN_SALIENCY) && !run_back(t, class, input, error))
        return false;
    if (e->method == MT_EXPLAIN_CAM)
        map_cam(t, class, map);
    else if (e->method == MT_EXPLAIN_GRADCAM)
        map_gradcam(t, map);
    else if (e->method == MT_EXPLAIN_SALIENCY)
        map_saliency(t, map);
    else if (!map_rollout(t, map, error))
        return false;
    return check_map(e, t, map, error);
}
