/* Pad: attributes up to opset 10, inputs from 11 on, axes from 18 on; constant, reflect, edge, wrap; negative pads crop. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"
#include "src/base/alloc.h"
#include "src/base/limits.h"

#include <string.h>

/* Pads before and after each axis of the input.  *open when the list is not known yet. */
static bool read_pads(const mt_node *node, const mt_tensor *const *inputs, int rank, int64_t (*pads)[2], bool *open, GError **error)
{
    int64_t       list[2 * MT_MAX_RANK], axes[MT_MAX_RANK];
    int           n, n_axes;
    mt_list_state state = mt_node_list(node, inputs, node->opset < 11 ? -1 : 1, "pads", list, 2 * MT_MAX_RANK, &n, error);
    mt_list_state axes_state = mt_node_axes(node, inputs, 3, rank, axes, &n_axes, error != NULL && *error != NULL ? NULL : error);

    if (state == MT_LIST_BAD || axes_state == MT_LIST_BAD)
        return false;
    memset(pads, 0, (size_t)rank * sizeof *pads);
    *open = state == MT_LIST_OPEN || axes_state == MT_LIST_OPEN;
    if (*open)
        return true;
    if (axes_state == MT_LIST_ABSENT) {
        n_axes = rank;
        for (int i = 0; i < rank; i++)
            axes[i] = i;
    }
    if (state == MT_LIST_ABSENT || n != 2 * n_axes) {
        mt_node_error(node, error, "%d pads for %d axes; two for each are needed", n, n_axes);
        return false;
    }
    for (int i = 0; i < n_axes; i++) {
        pads[axes[i]][0] = CLAMP(list[i], -MT_LIMIT_TENSOR_BYTES, MT_LIMIT_TENSOR_BYTES);
        pads[axes[i]][1] = CLAMP(list[i + n_axes], -MT_LIMIT_TENSOR_BYTES, MT_LIMIT_TENSOR_BYTES);
    }
    return true;
}

static bool infer_pad(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         pads[MT_MAX_RANK][2], shape[MT_MAX_RANK];
    bool            open;

    if (!mt_want_inputs(node, 1, 4, error) || !mt_want_same_type(node, 0, 2, error) || !read_pads(node, NULL, x->rank, pads, &open, error))
        return false;
    bool constant = strcmp(mt_node_string(node, "mode", "constant"), "constant") == 0;
    for (int i = 0; i < x->rank; i++) {
        shape[i] = open || x->shape[i] < 0 ? -1 : x->shape[i] + pads[i][0] + pads[i][1];
        if (!open && x->shape[i] >= 0 && (shape[i] < 0 || (x->shape[i] == 0 && shape[i] > 0 && !constant))) {
            mt_node_error(node, error, "pads of %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT " do not fit an axis of %" G_GINT64_FORMAT,
                          pads[i][0], pads[i][1], x->shape[i]);
            return false;
        }
    }
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    return true;
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    int64_t rest = a % b;

    return rest < 0 ? rest + b : rest;
}

/* Where position `at` of the padded axis comes from, -1 for the constant. */
static int64_t source_of(int64_t at, int64_t size, const char *mode)
{
    if (at >= 0 && at < size)
        return at;
    if (strcmp(mode, "edge") == 0)
        return at < 0 ? 0 : size - 1;
    if (strcmp(mode, "wrap") == 0)
        return floor_mod(at, size);
    if (strcmp(mode, "reflect") == 0) {
        int64_t period = MAX(1, 2 * (size - 1)), place = floor_mod(at, period);
        return place < size ? place : period - place;
    }
    return -1;
}

/* For each axis its sources, one table behind the other; freed with mt_free. */
static int64_t *make_sources(const mt_tensor *x, const mt_tensor *y, int64_t (*pads)[2], const char *mode, int64_t **tables, GError **error)
{
    int64_t total = 0;

    for (int i = 0; i < y->rank; i++)
        total += y->shape[i];
    int64_t *sources = mt_alloc(total, sizeof *sources, error);
    if (sources == NULL)
        return NULL;
    tables[0] = sources;
    for (int i = 0; i < y->rank; i++) {
        for (int64_t o = 0; o < y->shape[i]; o++)
            tables[i][o] = source_of(o - pads[i][0], x->shape[i], mode);
        if (i + 1 < y->rank)
            tables[i + 1] = tables[i] + y->shape[i];
    }
    return sources;
}

/* Element by element along the last axis; `base` -1 says that the whole row is constant. */
static void pad_row(const mt_tensor *x, mt_tensor *y, int64_t to, int64_t base, const int64_t *sources, int64_t n, const void *fill)
{
    size_t size = mt_dtype_size(x->dtype);
    char  *out = (char *)y->data + (size_t)to * size;

    for (int64_t i = 0; i < n; i++, out += size) {
        bool inside = base >= 0 && sources[i] >= 0;
        memcpy(out, inside ? (const char *)x->data + (size_t)(base + sources[i]) * size : fill, size);
    }
}

static void pad_rows(const mt_tensor *x, mt_tensor *y, int64_t *const *tables, const void *fill)
{
    int     last = y->rank - 1;
    int64_t width = y->shape[last], rows = mt_product_of(y->shape, 0, last), stride[MT_MAX_RANK];

    mt_contiguous_strides(x->rank, x->shape, stride);
    for (int64_t row = 0; row < rows; row++) {
        int64_t rest = row, base = 0;

        for (int i = last - 1; i >= 0; i--) {
            int64_t source = tables[i][rest % y->shape[i]];
            rest /= y->shape[i];
            base = source < 0 || base < 0 ? -1 : base + source * stride[i];
        }
        pad_row(x, y, row * width, base, tables[last], width, fill);
    }
}

static bool run_pad(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *value = node->inputs->len > 2 ? inputs[2] : NULL;
    mt_tensor       *y = outputs[0];
    const char      *mode = mt_node_string(node, "mode", "constant");
    int64_t          pads[MT_MAX_RANK][2], *tables[MT_MAX_RANK], fill_bits[1] = {0}, one[1] = {1};
    bool             open;

    if (!read_pads(node, inputs, x->rank, pads, &open, error))
        return false;
    if (mt_tensor_count(y) == 0)
        return true;
    mt_tensor fill = {.dtype = x->dtype, .rank = 1, .shape = {one[0]}, .data = fill_bits};
    double    number = node->opset < 11 ? mt_node_float(node, "value", 0) : 0;
    if (value != NULL && mt_tensor_count(value) == 1)
        memcpy(fill_bits, value->data, mt_dtype_size(x->dtype));
    else
        mt_store_doubles(&fill, 0, 1, &number);
    if (x->rank == 0) {
        memcpy(y->data, x->data, mt_dtype_size(x->dtype));
        return true;
    }
    int64_t *sources = make_sources(x, y, pads, mode, tables, error);
    if (sources == NULL)
        return false;
    pad_rows(x, y, tables, fill_bits);
    mt_free(sources);
    return true;
}

const mt_operator mt_family_pad[] = {
    {"Pad", 2, 21, infer_pad, run_pad},
    {NULL, 0, 0, NULL, NULL},
};
