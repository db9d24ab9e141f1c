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

/* The input positions that kernel position (kz, ky, kx) sees for outputs [first, first + n), 0 in the pads. */
static void unroll_row(const mt_window *w, const float *plane, const int64_t *k, int64_t first, int n, float *row)
{
    int64_t x = first % w->out[2], y = first / w->out[2] % w->out[1], z = first / (w->out[2] * w->out[1]);

    for (int done = 0; done < n; x = 0, y = y + 1 == w->out[1] ? z++, 0 : y + 1) {
        int64_t      iz = z * w->stride[0] - w->pad[0] + k[0] * w->dilation[0], iy = y * w->stride[1] - w->pad[1] + k[1] * w->dilation[1];
        int64_t      width = MIN(n - done, w->out[2] - x), shift = k[2] * w->dilation[2] - w->pad[2];
        bool         inside = iz >= 0 && iz < w->in[0] && iy >= 0 && iy < w->in[1];
        const float *line = inside ? plane + (iz * w->in[1] + iy) * w->in[2] : NULL;

        for (int64_t i = 0; i < width; i++) {
            int64_t ix = (x + i) * w->stride[2] + shift;
            row[done + i] = inside && ix >= 0 && ix < w->in[2] ? line[ix] : 0;
        }
        done += (int)width;
    }
}

static void unroll(const mt_window *w, const float *planes, int64_t channels, int64_t first, int n, float *columns)
{
    int64_t plane = w->in[0] * w->in[1] * w->in[2], k[3];

    for (int64_t c = 0; c < channels; c++, planes += plane)
        for (k[0] = 0; k[0] < w->kernel[0]; k[0]++)
            for (k[1] = 0; k[1] < w->kernel[1]; k[1]++)
                for (k[2] = 0; k[2] < w->kernel[2]; k[2]++, columns += MT_PRODUCT_COLUMNS)
                    unroll_row(w, planes, k, first, n, columns);
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
