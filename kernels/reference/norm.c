/* Normalisations, statistics in double: batch (with stored statistics), instance, layer, group, Lp, local response, mean
 * and variance over any axes. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

static void load(const mt_tensor *tensor, int64_t start, int64_t n, double *out)
{
    for (int64_t done = 0; done < n; done += MT_RUN)
        mt_load_doubles(tensor, start + done, 1, (int)MIN(MT_RUN, n - done), out + done);
}

static void store(mt_tensor *tensor, int64_t start, int64_t n, const double *in)
{
    for (int64_t done = 0; done < n; done += MT_RUN)
        mt_store_doubles(tensor, start + done, (int)MIN(MT_RUN, n - done), in + done);
}

/* Subtracts the mean and divides by the deviation; gives both. */
static void standardise(double *x, int64_t n, double epsilon, double *mean, double *inverse)
{
    double sum = 0, squares = 0;

    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - *mean) * (x[i] - *mean);
    *inverse = 1 / sqrt(squares / (double)n + epsilon);
    for (int64_t i = 0; i < n; i++)
        x[i] = (x[i] - *mean) * *inverse;
}

/* Inputs 1 .. n_vectors are vectors of `length` (-1: any). */
static bool want_vectors(const mt_node *node, int n_vectors, int64_t length, GError **error)
{
    for (int i = 1; i <= n_vectors; i++) {
        const mt_value *value = mt_node_input(node, i);

        if (!mt_want_rank(node, i, 1, 1, error) || !mt_want_type(node, i, MT_TYPES_FLOAT, error))
            return false;
        if (length >= 0 && value->shape[0] >= 0 && value->shape[0] != length) {
            mt_node_error(node, error, "input '%s' has %" G_GINT64_FORMAT " entries, %" G_GINT64_FORMAT " are needed", value->name,
                          value->shape[0], length);
            return false;
        }
    }
    return true;
}

static bool infer_batch_norm(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);

    if (!mt_want_inputs(node, 5, 5, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_rank(node, 0, 1, MT_MAX_RANK, error) || !want_vectors(node, 4, x->rank > 1 ? x->shape[1] : 1, error))
        return false;
    for (guint i = 1; i < node->outputs->len; i++)
        if (mt_node_output(node, (int)i) != NULL || mt_node_int(node, "training_mode", 0) != 0) {
            mt_node_error(node, error, "training mode is not supported; export the model for inference");
            return false;
        }
    if (mt_node_int(node, "training_mode", 0) != 0 || (node->opset < 9 && mt_node_int(node, "spatial", 1) == 0)) {
        mt_node_error(node, error, "training mode and spatial=0 are not supported; export the model for inference");
        return false;
    }
    mt_set_like_input(node);
    return true;
}

static bool run_batch_norm(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    double           epsilon = mt_node_float(node, "epsilon", 1e-5), run[MT_RUN];
    int64_t          channels = x->rank > 1 ? x->shape[1] : 1, inner = mt_product_of(x->shape, 2, x->rank), planes = x->shape[0] * channels;

    (void)error;
    for (int64_t p = 0; p < planes; p++) {
        int64_t c = p % channels;
        double  factor = mt_element_double(inputs[1], c) / sqrt(mt_element_double(inputs[4], c) + epsilon);
        double  mean = mt_element_double(inputs[3], c), shift = mt_element_double(inputs[2], c);

        for (int64_t done = 0; done < inner; done += MT_RUN) {
            int n = (int)MIN(MT_RUN, inner - done);

            mt_load_doubles(x, p * inner + done, 1, n, run);
            for (int i = 0; i < n; i++)
                run[i] = (run[i] - mean) * factor + shift;
            mt_store_doubles(outputs[0], p * inner + done, n, run);
        }
    }
    return true;
}

static bool infer_instance_norm(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);

    if (!mt_want_inputs(node, 3, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_rank(node, 0, 3, MT_MAX_RANK, error) || !want_vectors(node, 2, x->shape[1], error))
        return false;
    mt_set_like_input(node);
    return true;
}

/* Groups of channels of one image share their statistics; scale and shift are one per channel, or one per group where the
 * vectors are that short (GroupNormalization of opset 18). */
static bool normalise_groups(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *y, int64_t groups, GError **error)
{
    const mt_tensor *x = inputs[0];
    int64_t          channels = x->shape[1], inner = mt_product_of(x->shape, 2, x->rank), per_group = channels / MAX(groups, 1);
    int64_t          n = per_group * inner, per_vector = channels / MAX(inputs[1]->shape[0], 1);
    double           epsilon = mt_node_float(node, "epsilon", 1e-5), mean, inverse, *row = mt_alloc(n, sizeof *row, error);

    if (row == NULL)
        return false;
    for (int64_t g = 0; g < x->shape[0] * groups && n > 0; g++) {
        load(x, g * n, n, row);
        standardise(row, n, epsilon, &mean, &inverse);
        for (int64_t c = 0; c < per_group; c++) {
            int64_t at = (g % groups * per_group + c) / per_vector;
            double  scale = mt_element_double(inputs[1], at), shift = mt_element_double(inputs[2], at);

            for (int64_t i = c * inner; i < (c + 1) * inner; i++)
                row[i] = row[i] * scale + shift;
        }
        store(y, g * n, n, row);
    }
    mt_free(row);
    return true;
}

static bool run_instance_norm(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    return normalise_groups(node, inputs, outputs[0], inputs[0]->shape[1], error);
}

static bool infer_group_norm(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         groups = mt_node_int(node, "num_groups", 0);

    if (!mt_want_inputs(node, 3, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_rank(node, 0, 2, MT_MAX_RANK, error))
        return false;
    if (groups < 1 || (x->shape[1] >= 0 && x->shape[1] % groups != 0)) {
        mt_node_error(node, error, "%" G_GINT64_FORMAT " channels do not divide into %" G_GINT64_FORMAT " groups", x->shape[1], groups);
        return false;
    }
    if (!want_vectors(node, 2, node->opset < 21 ? groups : x->shape[1], error))
        return false;
    mt_set_like_input(node);
    return true;
}

static bool run_group_norm(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    return normalise_groups(node, inputs, outputs[0], mt_node_int(node, "num_groups", 1), error);
}

static bool infer_layer_norm(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         shape[MT_MAX_RANK], type = mt_node_int(node, "stash_type", 1);
    int             axis;

    if (!mt_want_inputs(node, 2, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_type(node, 1, MT_TYPES_FLOAT, error) || !mt_want_type(node, 2, MT_TYPES_FLOAT, error) ||
        !mt_want_axis(node, mt_node_int(node, "axis", -1), x->rank, &axis, error))
        return false;
    int64_t n = 1;
    for (int i = axis; i < x->rank; i++)
        n = n < 0 || x->shape[i] < 0 ? -1 : n * x->shape[i];
    for (int i = 1; i < 3; i++) {
        const mt_value *vector = mt_node_input(node, i);
        int64_t         count = vector != NULL ? mt_value_count(vector) : n;

        if (n >= 0 && count >= 0 && count != n && count != 1) {
            mt_node_error(node, error, "input '%s' has %" G_GINT64_FORMAT " entries, %" G_GINT64_FORMAT " are needed", vector->name, count,
                          n);
            return false;
        }
    }
    mt_set_like_input(node);
    for (int i = 0; i < x->rank; i++)
        shape[i] = i < axis ? x->shape[i] : 1;
    mt_dtype stash = type == 1 ? MT_F32 : x->dtype;
    mt_set_output(node, 1, stash, x->rank, shape);
    mt_set_output(node, 2, stash, x->rank, shape);
    return true;
}

/* Scale and shift of one element each, or one per element of the row. */
static double entry(const mt_tensor *vector, int64_t i)
{
    return mt_element_double(vector, mt_tensor_count(vector) == 1 ? 0 : i);
}

static bool run_layer_norm(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *shift = node->inputs->len > 2 ? inputs[2] : NULL;
    double           epsilon = mt_node_float(node, "epsilon", 1e-5), statistics[2];
    int              axis;

    if (!mt_want_axis(node, mt_node_int(node, "axis", -1), x->rank, &axis, error))
        return false;
    int64_t n = mt_product_of(x->shape, axis, x->rank), rows = mt_product_of(x->shape, 0, axis);
    double *row = mt_alloc(n, sizeof *row, error);
    if (row == NULL)
        return false;
    for (int64_t r = 0; r < rows && n > 0; r++) {
        load(x, r * n, n, row);
        standardise(row, n, epsilon, &statistics[0], &statistics[1]);
        for (int64_t i = 0; i < n; i++)
            row[i] = row[i] * entry(inputs[1], i) + (shift != NULL ? entry(shift, i) : 0);
        store(outputs[0], r * n, n, row);
        for (guint k = 1; k < MIN(node->outputs->len, 3); k++)
            if (outputs[k] != NULL)
                mt_store_doubles(outputs[k], r, 1, &statistics[k - 1]);
    }
    mt_free(row);
    return true;
}

static bool infer_lp_norm(mt_node *node, GError **error)
{
    int     axis;
    int64_t p = mt_node_int(node, "p", 2);

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_axis(node, mt_node_int(node, "axis", -1), mt_node_input(node, 0)->rank, &axis, error))
        return false;
    if (p != 1 && p != 2) {
        mt_node_error(node, error, "p = %" G_GINT64_FORMAT " is not supported", p);
        return false;
    }
    mt_set_like_input(node);
    return true;
}

static bool run_lp_norm(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    bool             first = mt_node_int(node, "p", 2) == 1;
    int              axis;

    if (!mt_want_axis(node, mt_node_int(node, "axis", -1), x->rank, &axis, error))
        return false;
    int64_t n = x->shape[axis], inner = mt_product_of(x->shape, axis + 1, x->rank), rows = mt_product_of(x->shape, 0, axis) * inner;
    for (int64_t r = 0; r < rows; r++) {
        int64_t start = r / inner * n * inner + r % inner;
        double  sum = 0;

        for (int64_t i = 0; i < n; i++) {
            double value = mt_element_double(x, start + i * inner);
            sum += first ? fabs(value) : value * value;
        }
        sum = first ? sum : sqrt(sum);
        for (int64_t i = 0; i < n; i++) {
            double value = sum == 0 ? 0 : mt_element_double(x, start + i * inner) / sum;
            mt_store_doubles(outputs[0], start + i * inner, 1, &value);
        }
    }
    return true;
}

static bool infer_lrn(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_rank(node, 0, 2, MT_MAX_RANK, error))
        return false;
    if (mt_node_int(node, "size", 0) < 1) {
        mt_node_error(node, error, "size is missing or not positive");
        return false;
    }
    mt_set_like_input(node);
    return true;
}

static bool run_lrn(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    int64_t size = MIN(mt_node_int(node, "size", 1), INT64_C(1) << 31), channels = x->shape[1], inner = mt_product_of(x->shape, 2, x->rank);
    double  alpha = mt_node_float(node, "alpha", 1e-4), beta = mt_node_float(node, "beta", 0.75), bias = mt_node_float(node, "bias", 1);
    int64_t count = mt_tensor_count(x);

    (void)error;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = i / inner % channels, first = MAX(0, c - (size - 1) / 2), last = MIN(channels - 1, c + size / 2);
        double  sum = 0;

        for (int64_t k = first; k <= last; k++) {
            double value = mt_element_double(x, i + (k - c) * inner);
            sum += value * value;
        }
        double value = mt_element_double(x, i) / pow(bias + alpha / (double)size * sum, beta);
        mt_store_doubles(outputs[0], i, 1, &value);
    }
    return true;
}

static bool infer_mvn(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         axes[MT_MAX_RANK];
    int             n;

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error))
        return false;
    mt_list_state state = mt_node_axes(node, NULL, -1, x->rank, axes, &n, error);
    if (state == MT_LIST_BAD || (state == MT_LIST_ABSENT && !mt_want_rank(node, 0, 4, MT_MAX_RANK, error)))
        return false;
    mt_set_like_input(node);
    return true;
}

/* Images, rows and columns by default: one mean and deviation a channel.  The deviation has a floor added, as the format's own
 * definition of the operator has it. */
static bool run_mvn(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    int64_t          axes[MT_MAX_RANK] = {0, 2, 3}, kept = 1, count = mt_tensor_count(x), weight[MT_MAX_RANK] = {0};
    int              n = 3;

    if (mt_node_axes(node, NULL, -1, x->rank, axes, &n, error) == MT_LIST_ABSENT)
        n = 3;
    unsigned reduced = 0;
    for (int i = 0; i < n; i++)
        reduced |= 1u << axes[i];
    for (int i = x->rank - 1; i >= 0; i--) {
        weight[i] = (reduced >> i) & 1 ? 0 : kept;
        kept *= (reduced >> i) & 1 ? 1 : x->shape[i];
    }
    double *sums = mt_alloc(2 * kept, sizeof *sums, error);
    if (sums == NULL)
        return false;
    for (int pass = 0; pass < 3; pass++)
        for (int64_t i = 0; i < count; i++) {
            int64_t rest = i, at = 0;
            double  value = mt_element_double(x, i), members = (double)(count / kept);

            for (int k = x->rank - 1; k >= 0; rest /= x->shape[k], k--)
                at += rest % x->shape[k] * weight[k];
            double distance = pass > 0 ? value - sums[at] / members : 0;
            sums[at] += pass == 0 ? value : 0;
            sums[kept + at] += pass == 1 ? distance * distance : 0;
            distance /= pass == 2 ? sqrt(sums[kept + at] / members) + 1e-9 : 1;
            if (pass == 2)
                mt_store_doubles(outputs[0], i, 1, &distance);
        }
    mt_free(sums);
    return true;
}

const mt_operator mt_family_norm[] = {
    {"BatchNormalization", 7, 21, infer_batch_norm, run_batch_norm},
    {"InstanceNormalization", 6, 21, infer_instance_norm, run_instance_norm},
    {"GroupNormalization", 18, 21, infer_group_norm, run_group_norm},
    {"LayerNormalization", 17, 21, infer_layer_norm, run_layer_norm},
    {"LpNormalization", 1, 21, infer_lp_norm, run_lp_norm},
    {"LRN", 1, 21, infer_lrn, run_lrn},
    {"MeanVarianceNormalization", 9, 21, infer_mvn, run_mvn},
    {NULL, 0, 0, NULL, NULL},
};
