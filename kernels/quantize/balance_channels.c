#include "kernels/quantize/balance_channels.h"

#include "kernels/graph/match.h"

#include <math.h>

#define S_MOST 1e4      /* of a channel's factor and its inverse */
#define SEARCH_STEPS 20 /* exponents tried: multiples of 1 / SEARCH_STEPS */

/* One affine producer and the layers that read its channels. */
typedef struct {
    mt_node   *scale, *shift;            /* Mul and Add, or LayerNormalization twice */
    int        scale_input, shift_input; /* of the constants; shift -1: none */
    int64_t    channels;
    GPtrArray *layers; /* mt_node */
    GPtrArray *values; /* mt_value that layers read */
} place;

struct mt_balance {
    const mt_quantize_plan *plan;
    GPtrArray              *places;
    GHashTable             *values;
};

static void free_place(gpointer data)
{
    place *p = data;

    g_ptr_array_unref(p->layers);
    g_ptr_array_unref(p->values);
    g_free(p);
}

/* A float32 constant of one number for each channel of the last axis. */
static bool is_per_channel(const mt_value *value, int64_t channels)
{
    return mt_is_vector(value, channels) && (value->constant->rank == 0 || value->constant->shape[value->constant->rank - 1] == channels);
}

static int constant_input(const mt_node *node)
{
    for (int i = 0; i < 2; i++)
        if (mt_node_input(node, i) != NULL && mt_node_input(node, i)->constant != NULL)
            return i;
    return -1;
}

static bool ends_layer_norm(const mt_uses *uses, mt_node *node, place *p)
{
    *p = (place){.scale = node, .shift = node, .scale_input = 1, .shift_input = mt_node_input(node, 2) != NULL ? 2 : -1};
    const mt_value *gamma = mt_node_input(node, 1);
    const mt_value *x = mt_node_input(node, 0);
    int64_t         axis = mt_node_int(node, "axis", -1);
    (void)uses;
    if (gamma == NULL || gamma->constant == NULL || x == NULL || (axis != -1 && axis != x->rank - 1))
        return false;
    p->channels = mt_tensor_count(gamma->constant);
    return is_per_channel(gamma, p->channels) && (p->shift_input < 0 || is_per_channel(mt_node_input(node, 2), p->channels));
}

static bool ends_affine(const mt_uses *uses, mt_node *add, place *p)
{
    int      shift = constant_input(add);
    mt_node *mul = shift < 0 ? NULL : mt_made_by(mt_node_input(add, 1 - shift), "Mul");
    int      scale = mul == NULL ? -1 : constant_input(mul);

    if (scale < 0 || mt_uses_count(uses, mt_node_output(mul, 0)) != 1)
        return false;
    *p = (place){.scale = mul, .shift = add, .scale_input = scale, .shift_input = shift};
    p->channels = mt_tensor_count(mt_node_input(mul, scale)->constant);
    return p->channels > 1 && is_per_channel(mt_node_input(mul, scale), p->channels) &&
           is_per_channel(mt_node_input(add, shift), p->channels);
}

static const mt_layer *find_layer(const mt_quantize_plan *plan, const mt_node *node)
{
    for (guint i = 0; i < plan->layers->len; i++)
        if (mt_quantize_plan_layer(plan, i)->node == node)
            return mt_quantize_plan_layer(plan, i);
    return NULL;
}

static bool keeps_last_axis(const mt_node *node)
{
    int            n;
    const int64_t *perm = mt_node_ints(node, "perm", &n);

    return mt_is(node, "Transpose") && perm != NULL && n > 0 && perm[n - 1] == n - 1;
}

static int64_t layer_inputs(const mt_layer *layer)
{
    return mt_node_input(layer->node, 1)->constant->shape[1 - layer->axis];
}

/* Collects who reads the channels of `value`; false when somebody does who cannot take another scale. */
static bool collect_readers(const mt_balance *b, const mt_uses *uses, mt_value *value, place *p)
{
    for (int i = 0; i < mt_uses_count(uses, value); i++) {
        mt_node        *user = mt_uses_nth(uses, value, i);
        const mt_layer *layer = user == NULL ? NULL : find_layer(b->plan, user);

        if (mt_is(user, "Shape"))
            continue;
        if (user != NULL && keeps_last_axis(user)) {
            if (!collect_readers(b, uses, mt_node_output(user, 0), p))
                return false;
            continue;
        }
        if (layer == NULL || mt_is(user, "Conv") || mt_node_input(user, 0) != value || layer_inputs(layer) != p->channels ||
            mt_uses_count(uses, mt_node_input(user, 1)) != 1)
            return false;
        g_ptr_array_add(p->layers, user);
        if (!g_ptr_array_find(p->values, value, NULL))
            g_ptr_array_add(p->values, value);
    }
    return true;
}

static void try_place(mt_balance *b, const mt_uses *uses, mt_node *node)
{
    place found;
    bool  fits = (mt_is(node, "LayerNormalization") && ends_layer_norm(uses, node, &found)) ||
                (mt_is(node, "Add") && ends_affine(uses, node, &found));

    if (!fits)
        return;
    place *p = g_memdup2(&found, sizeof found);
    p->layers = g_ptr_array_new();
    p->values = g_ptr_array_new();
    if (!collect_readers(b, uses, mt_node_output(node, 0), p) || p->layers->len == 0) {
        free_place(p);
        return;
    }
    g_ptr_array_add(b->places, p);
    for (guint i = 0; i < p->values->len; i++)
        g_hash_table_add(b->values, p->values->pdata[i]);
}

mt_balance *mt_balance_new(const mt_quantize_plan *plan)
{
    mt_balance *b = g_new0(mt_balance, 1);
    g_autoptr(mt_uses) uses = mt_uses_new(plan->graph);

    b->plan = plan;
    b->places = g_ptr_array_new_with_free_func(free_place);
    b->values = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < plan->graph->nodes->len; i++)
        try_place(b, uses, plan->graph->nodes->pdata[i]);
    return b;
}

void mt_balance_free(mt_balance *b)
{
    if (b == NULL)
        return;
    g_ptr_array_unref(b->places);
    g_hash_table_unref(b->values);
    g_free(b);
}

GHashTable *mt_balance_values(const mt_balance *b)
{
    return b->values;
}

static float load(const mt_tensor *tensor, int64_t i)
{
    float f;

    memcpy(&f, (const char *)tensor->data + i * (int64_t)sizeof f, sizeof f);
    return f;
}

/* Weight of input channel j and output channel n, whichever way round the layer stores them. */
static float weight_at(const mt_layer *layer, const mt_tensor *w, int64_t j, int64_t n)
{
    return load(w, layer->axis == 1 ? j * w->shape[1] + n : n * w->shape[1] + j);
}

/* What the choice of s needs of a place. */
typedef struct {
    double *x_low, *x_high, *x_square; /* by channel; mean square */
    double *w_most, *w_square;         /* by channel: largest, sum of squares */
} figures;

static void figures_clear(figures *f)
{
    g_free(f->x_low);
    g_free(f->x_high);
    g_free(f->x_square);
    g_free(f->w_most);
    g_free(f->w_square);
}

static void see_weights(figures *f, const mt_layer *layer)
{
    const mt_tensor *w = mt_node_input(layer->node, 1)->constant;

    for (int64_t j = 0; j < w->shape[1 - layer->axis]; j++)
        for (int64_t n = 0; n < w->shape[layer->axis]; n++) {
            double weight = fabs((double)weight_at(layer, w, j, n));

            f->w_most[j] = MAX(f->w_most[j], weight);
            f->w_square[j] += weight * weight;
        }
}

static figures figures_of(const mt_balance *b, const place *p, const mt_calibration_run *run)
{
    figures            f = {.x_low = g_new0(double, p->channels),
                            .x_high = g_new0(double, p->channels),
                            .x_square = g_new0(double, p->channels),
                            .w_most = g_new0(double, p->channels),
                            .w_square = g_new0(double, p->channels)};
    const mt_observed *seen = mt_calibration_run_seen(run, p->values->pdata[0]);

    for (int64_t j = 0; j < p->channels; j++) {
        f.x_low[j] = seen->low[j];
        f.x_high[j] = seen->high[j];
        f.x_square[j] = seen->square[j] * (double)p->channels / (double)seen->n;
    }
    for (guint i = 0; i < p->layers->len; i++)
        see_weights(&f, find_layer(b->plan, p->layers->pdata[i]));
    return f;
}

/* s of every channel, with a geometric mean of 1: the whole keeps its size. */
static void make_factors(const figures *f, int64_t channels, double exponent, double *s)
{
    double sum = 0;

    for (int64_t j = 0; j < channels; j++) {
        double x = MAX(fabs(f->x_low[j]), fabs(f->x_high[j]));

        s[j] = x > 0 && f->w_most[j] > 0 ? exponent * log(x) - (1 - exponent) * log(f->w_most[j]) : NAN;
        sum += isnan(s[j]) ? 0 : s[j];
    }
    for (int64_t j = 0; j < channels; j++)
        s[j] = isnan(s[j]) ? 1 : CLAMP(exp(s[j] - sum / (double)channels), 1 / S_MOST, S_MOST);
}

/* Sum of the squared steps of a layer's output channels. */
static double weight_steps(const mt_layer *layer, const double *s)
{
    const mt_tensor   *w = mt_node_input(layer->node, 1)->constant;
    g_autofree double *most = g_new0(double, w->shape[layer->axis]);
    double             sum = 0;

    for (int64_t j = 0; j < w->shape[1 - layer->axis]; j++)
        for (int64_t n = 0; n < w->shape[layer->axis]; n++)
            most[n] = MAX(most[n], fabs(weight_at(layer, w, j, n) * s[j]));
    for (int64_t n = 0; n < w->shape[layer->axis]; n++)
        sum += most[n] / 127 * (most[n] / 127);
    return sum;
}

/* Expected squared error of the layers' outputs: what rounding adds to the activations times the weights, and the other way. */
static double expected_error(const mt_balance *b, const place *p, const figures *f, const double *s)
{
    double low = 0, high = 0, weights = 0, activations = 0, steps = 0;

    for (int64_t j = 0; j < p->channels; j++) {
        low = MIN(low, f->x_low[j] / s[j]);
        high = MAX(high, f->x_high[j] / s[j]);
        weights += f->w_square[j] * s[j] * s[j];
        activations += f->x_square[j] / (s[j] * s[j]);
    }
    for (guint i = 0; i < p->layers->len; i++)
        steps += weight_steps(find_layer(b->plan, p->layers->pdata[i]), s);
    double step = (high - low) / 255;
    return (step * step * weights + steps * activations) / 12;
}

/* False when no balance is best. */
static bool search_factors(const mt_balance *b, const place *p, const figures *f, double *s)
{
    g_autofree double *tried = g_new(double, p->channels);
    double             least;
    bool               found = false;

    for (int64_t j = 0; j < p->channels; j++)
        s[j] = 1;
    least = expected_error(b, p, f, s);
    for (int k = 0; k <= SEARCH_STEPS; k++) {
        make_factors(f, p->channels, (double)k / SEARCH_STEPS, tried);
        double error = expected_error(b, p, f, tried);
        if (!(error < least))
            continue;
        least = error;
        found = true;
        memcpy(s, tried, sizeof *s * (size_t)p->channels);
    }
    return found;
}

static bool set_constant(mt_graph *graph, mt_node *node, int input, mt_tensor *tensor)
{
    if (tensor == NULL)
        return false;
    node->inputs->pdata[input] = mt_graph_add_constant(graph, mt_node_input(node, input)->name, tensor);
    mt_tensor_unref(tensor);
    return true;
}

static mt_tensor *divided(const mt_tensor *vector, const double *s, GError **error)
{
    mt_tensor *tensor = mt_tensor_new(MT_F32, vector->rank, vector->shape, error);

    for (int64_t j = 0; tensor != NULL && j < mt_tensor_count(vector); j++)
        ((float *)tensor->data)[j] = (float)(load(vector, j) / s[j]);
    return tensor;
}

static mt_tensor *multiplied(const mt_layer *layer, const double *s, GError **error)
{
    const mt_tensor *w = mt_node_input(layer->node, 1)->constant;
    mt_tensor       *tensor = mt_tensor_new(MT_F32, w->rank, w->shape, error);

    for (int64_t i = 0; tensor != NULL && i < mt_tensor_count(w); i++)
        ((float *)tensor->data)[i] = (float)(load(w, i) * s[layer->axis == 1 ? i / w->shape[1] : i % w->shape[1]]);
    return tensor;
}

static bool rewrite(const mt_balance *b, place *p, const double *s, GError **error)
{
    mt_graph *graph = b->plan->graph;

    if (!set_constant(graph, p->scale, p->scale_input, divided(mt_node_input(p->scale, p->scale_input)->constant, s, error)))
        return false;
    if (p->shift_input >= 0 &&
        !set_constant(graph, p->shift, p->shift_input, divided(mt_node_input(p->shift, p->shift_input)->constant, s, error)))
        return false;
    for (guint i = 0; i < p->layers->len; i++) {
        const mt_layer *layer = find_layer(b->plan, p->layers->pdata[i]);
        if (!set_constant(graph, layer->node, 1, multiplied(layer, s, error)))
            return false;
    }
    return true;
}

/* What a run over the rewritten graph would see of the values between. */
static void rescale_seen(const place *p, const mt_calibration_run *run, const double *s)
{
    for (guint i = 0; i < p->values->len; i++) {
        mt_observed *seen = mt_calibration_run_seen(run, p->values->pdata[i]);

        seen->min = INFINITY;
        seen->max = -INFINITY;
        for (int64_t j = 0; j < p->channels; j++) {
            seen->low[j] = (float)(seen->low[j] / s[j]);
            seen->high[j] = (float)(seen->high[j] / s[j]);
            seen->square[j] /= s[j] * s[j];
            seen->min = MIN(seen->min, seen->low[j]);
            seen->max = MAX(seen->max, seen->high[j]);
        }
    }
}

int mt_balance_apply(mt_balance *b, const mt_calibration_run *run, double exponent, GError **error)
{
    int changed = 0;

    for (guint i = 0; i < b->places->len; i++) {
        place             *p = b->places->pdata[i];
        g_autofree double *s = g_new(double, p->channels);
        figures            f = figures_of(b, p, run);
        bool               wanted = true;

        if (exponent == MT_BALANCE_SEARCH)
            wanted = search_factors(b, p, &f, s);
        else
            make_factors(&f, p->channels, exponent, s);
        figures_clear(&f);
        if (!wanted)
            continue;
        if (!rewrite(b, p, s, error))
            return -1;
        rescale_seen(p, run, s);
        changed++;
    }
    return changed;
}
