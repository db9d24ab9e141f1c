/* Convolution of 1 to 3 dimensions with groups, strides, dilations and pads: columns of the input unrolled for a tile of
 * output positions, then a matrix product. */
#include "kernels/reference/families.h"
#include "kernels/reference/product.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/widen.h"
#include "kernels/reference/window.h"
#include "src/base/alloc.h"

static bool refuse_shapes(const mt_node *node, const mt_value *x, const mt_value *w, GError **error)
{
    g_autofree char *data = mt_shape_to_string(x->rank, x->shape), *weights = mt_shape_to_string(w->rank, w->shape);

    mt_node_error(node, error, "data %s, weights %s and group %" G_GINT64_FORMAT " do not fit", data, weights,
                  mt_node_int(node, "group", 1));
    return false;
}

static bool infer_conv(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *w = mt_node_input(node, 1), *bias = mt_node_input(node, 2);
    int64_t         group = mt_node_int(node, "group", 1), shape[MT_MAX_RANK];
    mt_window       window;

    if (!mt_want_inputs(node, 2, 3, error) || !mt_want_rank(node, 0, 3, 5, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) ||
        !mt_want_same_type(node, 0, 1, error) || !mt_want_same_type(node, 0, 2, error) || !mt_want_rank(node, 2, 1, 1, error))
        return false;
    bool fits = w->rank == x->rank && group >= 1 && (w->shape[0] < 0 || w->shape[0] % group == 0);
    fits = fits && (x->shape[1] < 0 || w->shape[1] < 0 || (x->shape[1] % group == 0 && x->shape[1] / group == w->shape[1]));
    if (!fits || (bias != NULL && bias->shape[0] >= 0 && w->shape[0] >= 0 && bias->shape[0] != w->shape[0]))
        return refuse_shapes(node, x, w, error);
    if (!mt_window_read(node, x->rank - 2, x->shape + 2, w->shape + 2, &window, error))
        return false;
    shape[0] = x->shape[0];
    shape[1] = w->shape[0];
    for (int i = 0; i < window.dims; i++)
        shape[i + 2] = window.out[i];
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    return true;
}

/* One row for each channel and kernel position: what it sees of the input for outputs [first, first + n), 0 in the pads. */
static void unroll(const mt_window *w, const float *planes, int64_t channels, int64_t first, int n, float *columns)
{
    int64_t plane = mt_product_of(w->in, 0, 3), taps = mt_product_of(w->kernel, 0, 3), places[MT_PRODUCT_COLUMNS];

    for (int64_t t = 0; t < taps; t++) {
        int64_t k[] = {t / (w->kernel[1] * w->kernel[2]), t / w->kernel[2] % w->kernel[1], t % w->kernel[2]};

        mt_window_places(w, true, k, first, n, places);
        for (int64_t c = 0; c < channels; c++) {
            float       *row = columns + (c * taps + t) * MT_PRODUCT_COLUMNS;
            const float *source = planes + c * plane;

            for (int i = 0; i < n; i++)
                row[i] = places[i] >= 0 ? source[places[i]] : 0;
        }
    }
}

typedef struct {
    mt_window window;
    int64_t   depth;        /* channels of a group x kernel */
    int64_t   out_channels; /* of a group */
    int64_t   out_plane;
    float    *columns;
    double   *sums;
} conv_plan;

/* One tile of positions of one group of one image. */
static void conv_tile(const conv_plan *p, const float *weights, const float *bias, int64_t first, int n, float *y)
{
    for (int64_t c = 0; c < p->out_channels; c += MT_PRODUCT_ROWS) {
        int rows = (int)MIN(MT_PRODUCT_ROWS, p->out_channels - c);

        mt_product_tile(weights + c * p->depth, p->depth, 1, p->columns, MT_PRODUCT_COLUMNS, rows, p->depth, n, p->sums);
        for (int i = 0; i < rows; i++) {
            float  *out = y + (c + i) * p->out_plane + first;
            double *sum = p->sums + i * MT_PRODUCT_COLUMNS, shift = bias != NULL ? bias[c + i] : 0;

            for (int j = 0; j < n; j++)
                out[j] = (float)(sum[j] + shift);
        }
    }
}

static void conv_all(const conv_plan *p, int64_t group, const mt_tensor *const *inputs, const float *bias, mt_tensor *y)
{
    const mt_tensor *x = inputs[0], *w = inputs[1];
    int64_t          channels = w->shape[1], plane = p->window.in[0] * p->window.in[1] * p->window.in[2];

    for (int64_t n = 0; n < x->shape[0]; n++)
        for (int64_t g = 0; g < group; g++) {
            const float *planes = (const float *)x->data + (n * group + g) * channels * plane;
            float       *out = (float *)y->data + (n * group + g) * p->out_channels * p->out_plane;

            for (int64_t first = 0; first < p->out_plane; first += MT_PRODUCT_COLUMNS) {
                int width = (int)MIN(MT_PRODUCT_COLUMNS, p->out_plane - first);

                unroll(&p->window, planes, channels, first, width, p->columns);
                conv_tile(p, (const float *)w->data + g * p->out_channels * p->depth, bias != NULL ? bias + g * p->out_channels : NULL,
                          first, width, out);
            }
        }
}

static bool conv_floats(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *w = inputs[1], *bias = node->inputs->len > 2 ? inputs[2] : NULL;
    int64_t          group = mt_node_int(node, "group", 1);
    conv_plan        p = {.depth = mt_product_of(w->shape, 1, w->rank), .out_channels = w->shape[0] / group};

    if (!mt_window_read(node, x->rank - 2, x->shape + 2, w->shape + 2, &p.window, error))
        return false;
    mt_window_widen(&p.window);
    p.out_plane = p.window.out[0] * p.window.out[1] * p.window.out[2];
    p.columns = mt_alloc(p.depth, MT_PRODUCT_COLUMNS * sizeof *p.columns, error);
    p.sums = p.columns == NULL ? NULL : mt_alloc(MT_PRODUCT_ROWS, MT_PRODUCT_COLUMNS * sizeof *p.sums, error);
    if (p.sums != NULL)
        conv_all(&p, group, inputs, bias != NULL ? bias->data : NULL, outputs[0]);
    bool ok = p.sums != NULL;
    mt_free(p.columns);
    mt_free(p.sums);
    return ok;
}

static bool run_conv(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    return mt_run_widened(node, inputs, outputs, conv_floats, error);
}

const mt_operator mt_family_conv[] = {
    {"Conv", 1, 21, infer_conv, run_conv},
    {NULL, 0, 0, NULL, NULL},
};
