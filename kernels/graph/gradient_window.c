/* Derivatives of what slides a window: convolutions, pools, padding.  The way back of a linear window is the transposed convolution of
 * Dumoulin and Visin 2016; a maximum hands its slope to the first place that has it, as PyTorch does. */
#include "kernels/graph/gradient_private.h"
#include "kernels/reference/window.h"

#include <math.h>
#include <string.h>

static bool read_window(mt_reverse *r, const mt_node *node, const int64_t *kernel, mt_window *w)
{
    const mt_value *x = mt_node_input(node, 0);

    return mt_window_read(node, x->rank - 2, x->shape + 2, kernel, w, r->error);
}

/* What a transposed convolution with this window and these weights makes of y, of the size of the input of the window. */
static mt_value *spread(mt_reverse *r, mt_value *y, mt_value *weights, int64_t group, const mt_window *w)
{
    int64_t pads[2 * MT_WINDOW_DIMS], more[MT_WINDOW_DIMS], cut[MT_WINDOW_DIMS];
    bool    cuts = false;

    for (int i = 0; i < w->dims; i++) {
        int64_t reached = (w->out[i] - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1 - w->pad[i];
        pads[i] = w->pad[i];
        pads[w->dims + i] = MAX(0, reached - w->in[i]);
        more[i] = 0;
        cut[i] = MAX(0, w->in[i] - reached); /* at the end lies what no window has seen */
        cuts |= cut[i] > 0;
    }
    mt_value *x = mt_reverse_two(r, "ConvTranspose", y, weights);
    if (x == NULL)
        return NULL;
    mt_node_set_ints(x->producer, "strides", w->stride, w->dims);
    mt_node_set_ints(x->producer, "dilations", w->dilation, w->dims);
    mt_node_set_ints(x->producer, "pads", pads, 2 * w->dims);
    mt_node_set_ints(x->producer, "output_padding", more, w->dims);
    mt_node_set_int(x->producer, "group", group);
    if (!cuts)
        return x;
    int64_t ends[2 * (MT_WINDOW_DIMS + 2)] = {0};
    for (int i = 0; i < w->dims; i++)
        ends[w->dims + 2 + 2 + i] = cut[i];
    return mt_reverse_two(r, "Pad", x, mt_reverse_list(r, ends, 2 * (w->dims + 2)));
}

static bool refuse_weights(mt_reverse *r, const mt_node *node)
{
    for (int i = 1; i < (int)node->inputs->len; i++)
        if (mt_reverse_wants(r, node, i)) {
            g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (%s): the gradient of its weights is not known", node->name, node->op);
            return false;
        }
    return true;
}

static bool conv_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *weights = mt_node_input(node, 1);
    mt_window w;

    if (!refuse_weights(r, node) || !read_window(r, node, weights->shape + 2, &w))
        return false;
    return mt_reverse_add(r, node, 0, spread(r, slope, mt_reverse_mirror(r, weights), mt_node_int(node, "group", 1), &w));
}

/* channels x 1 x kernel, filled by `fill`. */
static mt_value *kernels(mt_reverse *r, int64_t channels, const mt_window *w, bool one_hot)
{
    int64_t shape[MT_MAX_RANK] = {channels, 1}, places = 1;

    for (int i = 0; i < w->dims; i++)
        places *= shape[2 + i] = w->kernel[i];
    g_autoptr(mt_tensor) tensor = mt_tensor_new(MT_F32, w->dims + 2, shape, r->error);
    if (tensor == NULL)
        return NULL;
    for (int64_t i = 0; i < channels * places; i++)
        ((float *)tensor->data)[i] = !one_hot || i % places == i / places % places ? 1 : 0;
    return mt_graph_add_constant(r->gradient->graph, NULL, tensor);
}

/* How many elements each window of an axis averages. */
static double averaged(const mt_window *w, int axis, int64_t at, bool with_pads)
{
    int64_t n = 0;

    for (int64_t k = 0; k < w->kernel[axis]; k++) {
        int64_t place = at * w->stride[axis] - w->pad[axis] + k * w->dilation[axis];
        n += with_pads ? place < w->in[axis] + w->pad_end[axis] : place >= 0 && place < w->in[axis];
    }
    return (double)n;
}

static mt_value *shares(mt_reverse *r, const mt_window *w, bool with_pads)
{
    int64_t shape[MT_MAX_RANK] = {1, 1};

    memcpy(shape + 2, w->out, (size_t)w->dims * sizeof *shape);
    g_autoptr(mt_tensor) tensor = mt_tensor_new(MT_F32, w->dims + 2, shape, r->error);
    for (int64_t i = 0; tensor != NULL && i < mt_tensor_count(tensor); i++) {
        double  count = 1;
        int64_t rest = i;
        for (int axis = w->dims - 1; axis >= 0; axis--) {
            count *= averaged(w, axis, rest % w->out[axis], with_pads);
            rest /= w->out[axis];
        }
        ((float *)tensor->data)[i] = (float)(1 / MAX(count, 1));
    }
    return tensor != NULL ? mt_graph_add_constant(r->gradient->graph, NULL, tensor) : NULL;
}

static bool average_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    int64_t   channels = mt_node_input(node, 0)->shape[1];
    mt_window w;

    if (!read_window(r, node, NULL, &w))
        return false;
    mt_value *part = mt_reverse_two(r, "Mul", slope, shares(r, &w, mt_node_int(node, "count_include_pad", 0) != 0));
    mt_value *ones = part != NULL ? kernels(r, channels, &w, false) : NULL;
    return mt_reverse_add(r, node, 0, ones != NULL ? spread(r, part, ones, channels, &w) : NULL);
}

/* x with -inf round it, so that every window lies inside. */
static mt_value *bordered(mt_reverse *r, mt_value *x, const mt_window *w)
{
    int64_t pads[2 * (MT_WINDOW_DIMS + 2)] = {0};

    for (int i = 0; i < w->dims; i++) {
        pads[2 + i] = w->pad[i];
        pads[w->dims + 4 + i] = MAX(0, (w->out[i] - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1 - w->pad[i] - w->in[i]);
    }
    mt_value *inputs[] = {x, mt_reverse_list(r, pads, 2 * (w->dims + 2)), mt_reverse_scalar(r, -INFINITY)};
    if (inputs[1] == NULL || inputs[2] == NULL)
        return NULL;
    mt_node *pad = mt_graph_add_node(r->gradient->graph, "Pad", NULL, inputs, 3, 1, NULL, r->error);
    return pad != NULL ? mt_node_output(pad, 0) : NULL;
}

/* What place `place` of the kernel sees from each window. */
static mt_value *seen_from(mt_reverse *r, mt_value *x, const mt_window *w, int64_t place)
{
    int64_t begin[MT_WINDOW_DIMS], end[MT_WINDOW_DIMS], axes[MT_WINDOW_DIMS];

    for (int i = w->dims - 1; i >= 0; i--) {
        begin[i] = place % w->kernel[i] * w->dilation[i];
        end[i] = begin[i] + (w->out[i] - 1) * w->stride[i] + 1;
        axes[i] = i + 2;
        place /= w->kernel[i];
    }
    mt_value *inputs[] = {x, mt_reverse_list(r, begin, w->dims), mt_reverse_list(r, end, w->dims), mt_reverse_list(r, axes, w->dims),
                          mt_reverse_list(r, w->stride, w->dims)};
    for (size_t i = 0; i < G_N_ELEMENTS(inputs); i++)
        if (inputs[i] == NULL)
            return NULL;
    mt_node *slice = mt_graph_add_node(r->gradient->graph, "Slice", NULL, inputs, 5, 1, NULL, r->error);
    return slice != NULL ? mt_node_output(slice, 0) : NULL;
}

static mt_value *equal(mt_reverse *r, mt_value *a, mt_value *b)
{
    mt_value *same = mt_reverse_op(r, "Cast", mt_reverse_two(r, "Equal", a, b), NULL);

    if (same != NULL)
        mt_node_set_int(same->producer, "to", 1); /* ONNX's float32 */
    return same;
}

/* The slopes of all places of the kernel, one channel each: channels x places. */
static mt_value *joined(mt_reverse *r, mt_value **parts, int64_t n, const mt_value *y)
{
    int64_t  single[MT_MAX_RANK], together[MT_MAX_RANK];
    mt_value shape = {.rank = y->rank};

    memcpy(single, y->shape, sizeof single);
    memcpy(shape.shape, y->shape, sizeof shape.shape);
    shape.shape[1] *= n;
    memcpy(together, shape.shape, sizeof together);
    mt_value one = {.rank = y->rank + 1};
    one.shape[0] = y->shape[0];
    one.shape[1] = y->shape[1];
    one.shape[2] = 1;
    memcpy(one.shape + 3, y->shape + 2, (size_t)(y->rank - 2) * sizeof(int64_t));
    for (int64_t i = 0; i < n; i++)
        if ((parts[i] = mt_reverse_reshape(r, parts[i], &one)) == NULL)
            return NULL;
    mt_node *concat = mt_graph_add_node(r->gradient->graph, "Concat", NULL, parts, (int)n, 1, NULL, r->error);
    if (concat == NULL)
        return NULL;
    mt_node_set_int(concat, "axis", 2);
    return mt_reverse_reshape(r, mt_node_output(concat, 0), &shape);
}

static bool max_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *y = mt_node_output(node, 0);
    mt_window       w;
    int64_t         places = 1;
    mt_value       *left = slope; /* of the windows whose maximum is not found yet */

    if (!read_window(r, node, NULL, &w))
        return false;
    for (int i = 0; i < w.dims; i++)
        places *= w.kernel[i];
    mt_value *x = bordered(r, mt_reverse_mirror(r, mt_node_input(node, 0)), &w), *most = mt_reverse_mirror(r, mt_node_output(node, 0));
    g_autofree mt_value **parts = g_new0(mt_value *, places);
    for (int64_t k = 0; k < places; k++) {
        mt_value *seen = x != NULL ? seen_from(r, x, &w, k) : NULL;
        mt_value *same = seen != NULL ? equal(r, seen, most) : NULL;
        parts[k] = mt_reverse_two(r, "Mul", left, same);
        left = mt_reverse_two(r, "Sub", left, parts[k]);
        if (left == NULL)
            return false;
    }
    mt_value *all = joined(r, parts, places, y), *weights = all != NULL ? kernels(r, y->shape[1] * places, &w, true) : NULL;
    return mt_reverse_add(r, node, 0, weights != NULL ? spread(r, all, weights, y->shape[1], &w) : NULL);
}

/* The first of equal ones, as ReduceMax of a row has it. */
static bool global_max_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    mt_value *same = equal(r, mt_reverse_mirror(r, mt_node_input(node, 0)), mt_reverse_mirror(r, mt_node_output(node, 0)));

    return mt_reverse_add(r, node, 0, mt_reverse_two(r, "Mul", same, slope));
}

/* What was put round is cut off again. */
static bool pad_rule(mt_reverse *r, const mt_node *node, mt_value *slope)
{
    const mt_value *x = mt_node_input(node, 0), *list = mt_node_input(node, 1), *axes = mt_node_input(node, 3);
    int64_t         begin[MT_MAX_RANK], end[MT_MAX_RANK], all[MT_MAX_RANK];
    int             n;
    const int64_t  *pads = mt_node_ints(node, "pads", &n);

    if (list != NULL && list->constant != NULL)
        pads = list->constant->data;
    if (strcmp(mt_node_string(node, "mode", "constant"), "constant") != 0 || pads == NULL || axes != NULL) {
        g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (Pad): the gradient of other than a constant border is not known",
                    node->name);
        return false;
    }
    for (int i = 0; i < x->rank; i++) {
        if (pads[i] < 0 || pads[x->rank + i] < 0) {
            g_set_error(r->error, MT_ERROR, MT_ERROR_MODEL, "node %s (Pad): the gradient of cutting is not known", node->name);
            return false;
        }
        begin[i] = pads[i];
        end[i] = pads[i] + x->shape[i];
        all[i] = i;
    }
    mt_value *inputs[] = {slope, mt_reverse_list(r, begin, x->rank), mt_reverse_list(r, end, x->rank), mt_reverse_list(r, all, x->rank)};
    mt_node  *slice = inputs[1] != NULL && inputs[2] != NULL && inputs[3] != NULL
                          ? mt_graph_add_node(r->gradient->graph, "Slice", NULL, inputs, 4, 1, NULL, r->error)
                          : NULL;
    return mt_reverse_add(r, node, 0, slice != NULL ? mt_node_output(slice, 0) : NULL);
}

static const struct {
    const char      *op;
    mt_gradient_rule rule;
} rules[] = {
    {"AveragePool", average_rule}, {"Conv", conv_rule}, {"GlobalMaxPool", global_max_rule}, {"MaxPool", max_rule}, {"Pad", pad_rule}};

mt_gradient_rule mt_gradient_find_window_rule(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (strcmp(rules[i].op, name) == 0)
            return rules[i].rule;
    return mt_gradient_find_smooth_rule(name);
}
