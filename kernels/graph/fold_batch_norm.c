/* A convolution followed by a batch normalisation with fixed statistics is a convolution with other weights:
 *
 *   x -> Conv(W, B) -> BatchNormalization(scale, shift, mean, var) -> y
 *   x -> Conv(W s, (B - mean) s + shift) -> y            s = scale / sqrt(var + epsilon), one number per output channel
 *
 * also for ConvTranspose.  Needs constant parameters and a convolution nobody else looks at.  Computed in double. */
#include "kernels/graph/match.h"
#include "kernels/graph/passes.h"
#include "kernels/tensor/mapped.h"

#include <math.h>

/* Where the output channels lie in the weights: (M, C/g, k..), or transposed (C, M/g, k..) where channel m of group g is
 * column m of rows g C/groups and on. */
typedef struct filters {
    int64_t groups, rows, columns, kernel; /* of one group: rows x columns filters of `kernel` elements */
    bool    transposed;
} filters;

static int64_t filter_channel(const filters *f, int64_t index)
{
    int64_t filter = index / f->kernel, row = filter / f->columns, column = filter % f->columns;

    return f->transposed ? row / f->rows * f->columns + column : row;
}

static filters filters_of(const mt_node *conv)
{
    const mt_tensor *w = mt_node_input(conv, 1)->constant;
    filters          f = {.groups = mt_node_int(conv, "group", 1), .kernel = 1, .transposed = mt_is(conv, "ConvTranspose")};

    f.rows = f.groups > 0 ? w->shape[0] / f.groups : 0;
    f.columns = w->shape[1];
    for (int i = 2; i < w->rank; i++)
        f.kernel *= w->shape[i];
    return f;
}

static int64_t channels_of(const filters *f)
{
    return f->transposed ? f->groups * f->columns : f->groups * f->rows;
}

static bool is_fixed(const mt_node *norm, int64_t channels)
{
    for (guint i = 1; i < norm->outputs->len; i++)
        if (norm->outputs->pdata[i] != NULL)
            return false;
    for (int i = 1; i <= 4; i++)
        if (!mt_is_vector(mt_node_input(norm, i), channels))
            return false;
    return mt_node_int(norm, "training_mode", 0) == 0;
}

static bool fits(const mt_uses *uses, const mt_node *conv)
{
    const mt_value *weights = mt_node_input(conv, 1), *bias = mt_node_input(conv, 2);
    const mt_node  *norm = mt_followed_by(uses, conv, "BatchNormalization");
    filters         f;

    if (norm == NULL || mt_node_input(norm, 0) != mt_node_output(conv, 0))
        return false;
    if (weights == NULL || weights->constant == NULL || weights->constant->dtype != MT_F32 || weights->constant->rank < 3)
        return false;
    f = filters_of(conv);
    if (f.groups <= 0 || mt_tensor_count(weights->constant) == 0)
        return false;
    return is_fixed(norm, channels_of(&f)) && (bias == NULL || mt_is_vector(bias, channels_of(&f)));
}

static float at(const mt_node *node, int input, int64_t i)
{
    float f;

    memcpy(&f, (const char *)mt_node_input(node, input)->constant->data + i * (int64_t)sizeof f, sizeof f);
    return f;
}

static mt_tensor *fold_weights(const mt_node *conv, const filters *f, const double *s, GError **error)
{
    const mt_tensor *w = mt_node_input(conv, 1)->constant;
    mt_tensor       *folded = mt_tensor_new(MT_F32, w->rank, w->shape, error);

    for (int64_t i = 0; folded != NULL && i < mt_tensor_count(w); i++)
        ((float *)folded->data)[i] = (float)(at(conv, 1, i) * s[filter_channel(f, i)]);
    mt_tensor_give_back(w);
    return folded;
}

static mt_tensor *fold_bias(const mt_node *conv, const mt_node *norm, const double *s, int64_t channels, GError **error)
{
    mt_tensor *folded = mt_tensor_new(MT_F32, 1, &channels, error);

    for (int64_t i = 0; folded != NULL && i < channels; i++) {
        double bias = mt_node_input(conv, 2) == NULL ? 0 : at(conv, 2, i);
        ((float *)folded->data)[i] = (float)((bias - at(norm, 3, i)) * s[i] + at(norm, 2, i));
    }
    return folded;
}

static bool fold(mt_graph *graph, mt_uses *uses, mt_node *conv, GError **error)
{
    mt_node           *norm = mt_followed_by(uses, conv, "BatchNormalization");
    filters            f = filters_of(conv);
    int64_t            channels = channels_of(&f);
    double             epsilon = mt_node_float(norm, "epsilon", 1e-5);
    g_autofree double *s = g_new(double, (gsize)channels);
    g_autoptr(mt_tensor) weights = NULL, bias = NULL;

    for (int64_t i = 0; i < channels; i++)
        s[i] = at(norm, 1, i) / sqrt(at(norm, 4, i) + epsilon);
    weights = fold_weights(conv, &f, s, error);
    bias = weights == NULL ? NULL : fold_bias(conv, norm, s, channels, error);
    if (bias == NULL)
        return false;
    mt_uses_forget(uses, conv);
    g_ptr_array_set_size(conv->inputs, 3);
    conv->inputs->pdata[1] = mt_graph_add_constant(graph, NULL, weights);
    conv->inputs->pdata[2] = mt_graph_add_constant(graph, NULL, bias);
    mt_uses_add_node(uses, conv);
    mt_uses_forget(uses, norm);
    mt_uses_replace(uses, mt_node_output(norm, 0), mt_node_output(conv, 0));
    return true;
}

int mt_pass_fold_batch_norm(mt_graph *graph, GError **error)
{
    g_autoptr(mt_uses) uses = mt_uses_new(graph);
    int rewrites = 0;

    for (guint i = 0; i < graph->nodes->len; i++) {
        mt_node *node = graph->nodes->pdata[i];

        if ((!mt_is(node, "Conv") && !mt_is(node, "ConvTranspose")) || !fits(uses, node))
            continue;
        if (!fold(graph, uses, node, error))
            return -1;
        rewrites++;
    }
    if (rewrites > 0)
        mt_graph_sweep(graph);
    return rewrites;
}
