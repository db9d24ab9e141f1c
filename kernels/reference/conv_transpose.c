/* Transposed convolution: a product of the weights and the input gives every kernel position's share, which is added where it
 * falls.  Sums are double from end to end. */
#include "kernels/reference/families.h"
#include "kernels/reference/product.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/widen.h"
#include "kernels/reference/window.h"
#include "src/base/alloc.h"

#include <string.h>

static bool infer_conv_transpose(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *w = mt_node_input(node, 1), *bias = mt_node_input(node, 2);
    int64_t         group = mt_node_int(node, "group", 1), shape[MT_MAX_RANK];
    mt_window       window;

    if (!mt_want_inputs(node, 2, 3, error) || !mt_want_rank(node, 0, 3, 5, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_same_type(node, 0, 1, error) || !mt_want_same_type(node, 0, 2, error) || !mt_want_rank(node, 2, 1, 1, error))
        return false;
    bool fits = w->rank == x->rank && group >= 1 && group <= (1 << 24) && (w->shape[0] < 0 || w->shape[0] % group == 0);
    fits = fits && (x->shape[1] < 0 || w->shape[0] < 0 || x->shape[1] == w->shape[0]);
    fits = fits && (bias == NULL || bias->shape[0] < 0 || w->shape[1] < 0 || bias->shape[0] == w->shape[1] * group);
    if (!fits) {
        g_autofree char *data = mt_shape_to_string(x->rank, x->shape), *weights = mt_shape_to_string(w->rank, w->shape);
        mt_node_error(node, error, "data %s, weights %s and group %" G_GINT64_FORMAT " do not fit", data, weights, group);
        return false;
    }
    if (!mt_window_read_transposed(node, x->rank - 2, x->shape + 2, w->shape + 2, &window, error))
        return false;
    shape[0] = x->shape[0];
    shape[1] = w->shape[1] < 0 ? -1 : w->shape[1] * group;
    for (int i = 0; i < window.dims; i++)
        shape[i + 2] = window.out[i];
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    return true;
}

typedef struct {
    mt_window window;
    int64_t   in_channels, out_channels; /* of a group */
    int64_t   in_plane, out_plane, kernel;
    double   *planes; /* the output of one group of one image */
    double   *sums;
} transpose_plan;

/* Row r of the product is output channel r / kernel at kernel position r % kernel: the shares of input positions
 * [first, first + n), added where they fall. */
static void spread_tile(const transpose_plan *p, const float *weights, const float *x, int64_t first, int n)
{
    const mt_window *w = &p->window;
    int64_t          rows = p->out_channels * p->kernel, places[MT_PRODUCT_COLUMNS];

    for (int64_t r = 0; r < rows; r += MT_PRODUCT_ROWS) {
        int height = (int)MIN(MT_PRODUCT_ROWS, rows - r);

        mt_product_tile(weights + r, 1, rows, x + first, p->in_plane, height, p->in_channels, n, p->sums);
        for (int i = 0; i < height; i++) {
            int64_t place = (r + i) % p->kernel;
            int64_t k[] = {place / (w->kernel[1] * w->kernel[2]), place / w->kernel[2] % w->kernel[1], place % w->kernel[2]};
            double *plane = p->planes + (r + i) / p->kernel * p->out_plane;

            mt_window_places(w, false, k, first, n, places);
            for (int j = 0; j < n; j++)
                if (places[j] >= 0)
                    plane[places[j]] += p->sums[i * MT_PRODUCT_COLUMNS + j];
        }
    }
}

static void transpose_group(const transpose_plan *p, const float *weights, const float *bias, const float *x, float *y)
{
    memset(p->planes, 0, (size_t)(p->out_channels * p->out_plane) * sizeof *p->planes);
    for (int64_t first = 0; first < p->in_plane; first += MT_PRODUCT_COLUMNS)
        spread_tile(p, weights, x, first, (int)MIN(MT_PRODUCT_COLUMNS, p->in_plane - first));
    for (int64_t c = 0; c < p->out_channels; c++)
        for (int64_t i = 0; i < p->out_plane; i++)
            y[c * p->out_plane + i] = (float)(p->planes[c * p->out_plane + i] + (bias != NULL ? bias[c] : 0));
}

static void transpose_all(const transpose_plan *p, int64_t group, const mt_tensor *const *inputs, const float *bias, mt_tensor *y)
{
    const float *weights = inputs[1]->data;

    for (int64_t n = 0; n < inputs[0]->shape[0]; n++)
        for (int64_t g = 0; g < group; g++)
            transpose_group(p, weights + g * p->in_channels * p->out_channels * p->kernel, bias != NULL ? bias + g * p->out_channels : NULL,
                            (const float *)inputs[0]->data + (n * group + g) * p->in_channels * p->in_plane,
                            (float *)y->data + (n * group + g) * p->out_channels * p->out_plane);
}

static bool conv_transpose_floats(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *w = inputs[1], *bias = node->inputs->len > 2 ? inputs[2] : NULL;
    int64_t          group = mt_node_int(node, "group", 1);
    transpose_plan   p = {.in_channels = w->shape[0] / group, .out_channels = w->shape[1], .kernel = mt_product_of(w->shape, 2, w->rank)};

    if (!mt_window_read_transposed(node, x->rank - 2, x->shape + 2, w->shape + 2, &p.window, error))
        return false;
    mt_window_widen(&p.window);
    p.in_plane = mt_product_of(p.window.in, 0, 3);
    p.out_plane = mt_product_of(p.window.out, 0, 3);
    p.planes = mt_alloc(p.out_channels * p.out_plane, sizeof *p.planes, error);
    p.sums = p.planes == NULL ? NULL : mt_alloc(MT_PRODUCT_ROWS, MT_PRODUCT_COLUMNS * sizeof *p.sums, error);
    if (p.sums != NULL)
        transpose_all(&p, group, inputs, bias != NULL ? bias->data : NULL, outputs[0]);
    bool ok = p.sums != NULL;
    mt_free(p.planes);
    mt_free(p.sums);
    return ok;
}

static bool run_conv_transpose(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    return mt_run_widened(node, inputs, outputs, conv_transpose_floats, error);
}

const mt_operator mt_family_conv_transpose[] = {
    {"ConvTranspose", 1, 21, infer_conv_transpose, run_conv_transpose},
    {NULL, 0, 0, NULL, NULL},
};
