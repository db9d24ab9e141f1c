/* DeformConv: a convolution of images whose kernel positions are moved by offsets and sampled bilinearly, perhaps under a mask. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/window.h"

#include <math.h>

/* True when both are known and differ. */
static bool differ(int64_t a, int64_t b)
{
    return a >= 0 && b >= 0 && a != b;
}

static bool infer_deform_conv(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *w = mt_node_input(node, 1), *offset = mt_node_input(node, 2),
                   *bias = mt_node_input(node, 3), *mask = mt_node_input(node, 4);
    int64_t   group = mt_node_int(node, "group", 1), offsets = mt_node_int(node, "offset_group", 1);
    mt_window v;

    if (!mt_want_inputs(node, 3, 5, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error))
        return false;
    for (int i = 1; i < 5; i++)
        if (!mt_want_same_type(node, 0, i, error) || !mt_want_rank(node, i, i == 3 ? 1 : 4, i == 3 ? 1 : 4, error))
            return false;
    if (!mt_want_rank(node, 0, 4, 4, error) || !mt_window_read(node, 2, x->shape + 2, w->shape + 2, &v, error))
        return false;
    int64_t taps = w->shape[2] < 0 || w->shape[3] < 0 ? -1 : w->shape[2] * w->shape[3];
    bool    bad = group < 1 || offsets < 1 || group > 1 << 20 || offsets > 1 << 20 || (w->shape[0] >= 0 && w->shape[0] % group != 0) ||
               (x->shape[1] >= 0 && (x->shape[1] % group != 0 || x->shape[1] % offsets != 0 || differ(x->shape[1] / group, w->shape[1])));
    bad = bad || (taps >= 0 && differ(offset->shape[1], 2 * offsets * taps)) || (bias != NULL && differ(bias->shape[0], w->shape[0])) ||
          (taps >= 0 && mask != NULL && differ(mask->shape[1], offsets * taps));
    for (int i = 0; i < 2; i++)
        bad = bad || differ(offset->shape[i + 2], v.out[i]) || (mask != NULL && differ(mask->shape[i + 2], v.out[i]));
    if (bad || differ(offset->shape[0], x->shape[0]) || (mask != NULL && differ(mask->shape[0], x->shape[0]))) {
        mt_node_error(node, error, "data, weights, offsets, bias and mask do not fit");
        return false;
    }
    int64_t shape[] = {x->shape[0], w->shape[0], v.out[0], v.out[1]};
    mt_set_output(node, 0, x->dtype, 4, shape);
    return true;
}

/* Bilinear, zero outside. */
static double sample(const mt_tensor *x, int64_t plane, double y, double at_x)
{
    int64_t h = x->shape[2], w = x->shape[3];
    double  sum = 0;

    if (!(y > -1 && y < (double)h && at_x > -1 && at_x < (double)w))
        return 0;
    int64_t y0 = (int64_t)floor(y), x0 = (int64_t)floor(at_x);
    for (int64_t j = y0; j <= y0 + 1; j++)
        for (int64_t i = x0; i <= x0 + 1; i++)
            if (j >= 0 && j < h && i >= 0 && i < w)
                sum += (1 - fabs(y - (double)j)) * (1 - fabs(at_x - (double)i)) * mt_element_double(x, (plane * h + j) * w + i);
    return sum;
}

typedef struct {
    mt_window        v;
    const mt_tensor *x, *w, *offset, *mask;
    int64_t          group, offsets; /* groups of channels that share weights, that share offsets */
} deform_plan;

/* One output element: image n, filter f, place (oy, ox). */
static double deform_at(const deform_plan *p, int64_t n, int64_t f, int64_t oy, int64_t ox)
{
    const mt_window *v = &p->v;
    int64_t          channels = p->w->shape[1], all = p->x->shape[1], taps = v->kernel[0] * v->kernel[1], place = oy * v->out[1] + ox;
    int64_t          first = f / (p->w->shape[0] / p->group) * channels, size = v->out[0] * v->out[1];
    double           sum = 0;

    for (int64_t c = 0; c < channels; c++) {
        int64_t of = (first + c) / (all / p->offsets);

        for (int64_t t = 0; t < taps; t++) {
            int64_t at = (n * p->offsets + of) * taps + t;
            double  y = (double)(oy * v->stride[0] - v->pad[0] + t / v->kernel[1] * v->dilation[0]);
            double  x = (double)(ox * v->stride[1] - v->pad[1] + t % v->kernel[1] * v->dilation[1]);
            double  factor = p->mask != NULL ? mt_element_double(p->mask, at * size + place) : 1;

            y += mt_element_double(p->offset, 2 * at * size + place);
            x += mt_element_double(p->offset, (2 * at + 1) * size + place);
            sum += mt_element_double(p->w, (f * channels + c) * taps + t) * factor * sample(p->x, n * all + first + c, y, x);
        }
    }
    return sum;
}

static bool run_deform_conv(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *w = inputs[1], *bias = node->inputs->len > 3 ? inputs[3] : NULL;
    deform_plan      p = {.x = x,
                          .w = w,
                          .offset = inputs[2],
                          .mask = node->inputs->len > 4 ? inputs[4] : NULL,
                          .group = mt_node_int(node, "group", 1),
                          .offsets = mt_node_int(node, "offset_group", 1)};

    if (!mt_window_read(node, 2, x->shape + 2, w->shape + 2, &p.v, error))
        return false;
    int64_t filters = w->shape[0], height = p.v.out[0], width = p.v.out[1], count = mt_tensor_count(outputs[0]);
    for (int64_t i = 0; i < count; i++) {
        int64_t f = i / (height * width) % filters;
        double  value = deform_at(&p, i / (height * width) / filters, f, i / width % height, i % width);

        value += bias != NULL ? mt_element_double(bias, f) : 0;
        mt_store_doubles(outputs[0], i, 1, &value);
    }
    return true;
}

const mt_operator mt_family_deform_conv[] = {
    {"DeformConv", 19, 21, infer_deform_conv, run_deform_conv},
    {NULL, 0, 0, NULL, NULL},
};
