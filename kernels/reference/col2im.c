/* What puts columns and pooled elements back where they came from: Col2Im, MaxUnpool. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/window.h"
#include "src/base/alloc.h"

#include <string.h>

/* The window whose input is the image and whose outputs are the columns.  False and no error when the lists are open. */
static bool read_image(const mt_node *node, const mt_tensor *const *inputs, mt_window *w, GError **error)
{
    int64_t       image[MT_WINDOW_DIMS], block[MT_WINDOW_DIMS];
    int           n, n_block;
    mt_list_state a = mt_node_list(node, inputs, 1, NULL, image, MT_WINDOW_DIMS, &n, error);
    mt_list_state b = a == MT_LIST_BAD ? a : mt_node_list(node, inputs, 2, NULL, block, MT_WINDOW_DIMS, &n_block, error);

    if (a != MT_LIST_KNOWN || b != MT_LIST_KNOWN)
        return false;
    bool fits = n == n_block && n >= 1;
    for (int i = 0; i < n && fits; i++)
        fits = image[i] >= 0 && image[i] < (INT64_C(1) << 24) && block[i] >= 1 && block[i] < (INT64_C(1) << 24);
    if (!fits) {
        mt_node_error(node, error, "image_shape and block_shape do not fit one another");
        return false;
    }
    return mt_window_read(node, n, image, block, w, error);
}

static bool infer_col2im(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         shape[MT_MAX_RANK];
    mt_window       w;
    GError         *local = NULL;

    if (!mt_want_inputs(node, 3, 3, error) || !mt_want_type(node, 0, MT_TYPES_NUMBER, error) || !mt_want_rank(node, 0, 3, 3, error))
        return false;
    if (!read_image(node, NULL, &w, &local)) {
        if (local == NULL) /* open: even the rank */
            return true;
        g_propagate_error(error, local);
        return false;
    }
    int64_t block = mt_product_of(w.kernel, 0, w.dims), places = mt_product_of(w.out, 0, w.dims);
    if ((x->shape[1] >= 0 && x->shape[1] % block != 0) || (x->shape[2] >= 0 && x->shape[2] != places)) {
        mt_node_error(node, error,
                      "%" G_GINT64_FORMAT " rows of %" G_GINT64_FORMAT " columns do not fit blocks of %" G_GINT64_FORMAT
                      " at %" G_GINT64_FORMAT " places",
                      x->shape[1], x->shape[2], block, places);
        return false;
    }
    shape[0] = x->shape[0];
    shape[1] = x->shape[1] < 0 ? -1 : x->shape[1] / block;
    for (int i = 0; i < w.dims; i++)
        shape[i + 2] = w.in[i];
    mt_set_output(node, 0, x->dtype, w.dims + 2, shape);
    return true;
}

/* Row t of one channel's columns added to its plane. */
static void add_row(const mt_window *w, const mt_tensor *x, int64_t start, int64_t t, double *plane)
{
    int64_t k[] = {t / (w->kernel[1] * w->kernel[2]), t / w->kernel[2] % w->kernel[1], t % w->kernel[2]}, places[MT_RUN];
    int64_t count = mt_product_of(w->out, 0, 3);
    double  row[MT_RUN];

    for (int64_t first = 0; first < count; first += MT_RUN) {
        int n = (int)MIN(MT_RUN, count - first);

        mt_window_places(w, true, k, first, n, places);
        mt_load_doubles(x, start + first, 1, n, row);
        for (int i = 0; i < n; i++)
            if (places[i] >= 0)
                plane[places[i]] += row[i];
    }
}

static bool run_col2im(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    mt_window w;

    if (!read_image(node, inputs, &w, error))
        return false;
    mt_window_widen(&w);
    int64_t block = mt_product_of(w.kernel, 0, 3), places = mt_product_of(w.out, 0, 3), size = mt_product_of(w.in, 0, 3);
    int64_t planes = outputs[0]->shape[0] * outputs[0]->shape[1];
    double *plane = mt_alloc(size, sizeof *plane, error);
    if (plane == NULL)
        return false;
    for (int64_t p = 0; p < planes; p++) {
        memset(plane, 0, (size_t)size * sizeof *plane);
        for (int64_t t = 0; t < block; t++)
            add_row(&w, inputs[0], (p * block + t) * places, t, plane);
        for (int64_t at = 0; at < size; at += MT_RUN)
            mt_store_doubles(outputs[0], p * size + at, (int)MIN(MT_RUN, size - at), plane + at);
    }
    mt_free(plane);
    return true;
}

/* The shape that was pooled, if the pool left nothing over. */
static bool pooled_shape(const mt_node *node, int rank, const int64_t *x, int64_t *shape, GError **error)
{
    int64_t   wide[MT_WINDOW_DIMS] = {1 << 24, 1 << 24, 1 << 24};
    mt_window w;

    if (!mt_window_read(node, rank - 2, wide, NULL, &w, error))
        return false;
    for (int i = 0; i < rank; i++) {
        shape[i] = x[i];
        if (i >= 2 && x[i] > 0)
            shape[i] = (x[i] - 1) * w.stride[i - 2] + w.kernel[i - 2] - w.pad[i - 2] - w.pad_end[i - 2];
        if (shape[i] < -1 || shape[i] > INT64_C(1) << 40) {
            mt_node_error(node, error, "the window does not fit the data");
            return false;
        }
    }
    return true;
}

static bool infer_unpool(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *indices = mt_node_input(node, 1);
    int64_t         shape[MT_MAX_RANK], given[MT_MAX_RANK];
    int             n;

    if (!mt_want_inputs(node, 2, 3, error) || !mt_want_type(node, 0, MT_TYPES_FLOAT, error) || !mt_want_rank(node, 0, 3, 5, error) ||
        !mt_want_type(node, 1, MT_TYPE_BIT(MT_I64), error))
        return false;
    bool fits = indices->rank == x->rank;
    for (int i = 0; i < x->rank && fits; i++)
        fits = x->shape[i] < 0 || indices->shape[i] < 0 || x->shape[i] == indices->shape[i];
    if (!fits) {
        mt_node_error(node, error, "data and indices have different shapes");
        return false;
    }
    mt_list_state state = mt_node_list(node, NULL, 2, NULL, given, MT_MAX_RANK, &n, error);
    if (state == MT_LIST_BAD || !pooled_shape(node, x->rank, x->shape, shape, error))
        return false;
    for (int i = 0; i < x->rank; i++) {
        if (state == MT_LIST_KNOWN && (n != x->rank || given[i] < 0)) {
            mt_node_error(node, error, "output_shape does not fit the data");
            return false;
        }
        shape[i] = state == MT_LIST_OPEN ? -1 : (state == MT_LIST_KNOWN ? given[i] : shape[i]);
    }
    mt_set_output(node, 0, x->dtype, x->rank, shape);
    return true;
}

/* An index counts in the tensor that was pooled; a larger output holds that one in its first corner. */
static bool run_unpool(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *y = outputs[0];
    int64_t          count = mt_tensor_count(x), shape[MT_MAX_RANK];

    if (!pooled_shape(node, x->rank, x->shape, shape, error))
        return false;
    memset(y->data, 0, mt_tensor_bytes(y));
    for (int64_t i = 0; i < count; i++) {
        int64_t index = mt_element_int(inputs[1], i), rest = index, at = 0, stride = 1;
        double  value = mt_element_double(x, i);
        bool    inside = index >= 0;

        for (int k = x->rank - 1; k >= 0 && inside; stride *= y->shape[k], k--) {
            int64_t place = k == 0 || shape[k] < 1 ? rest : rest % shape[k];

            inside = place < y->shape[k];
            at += place * stride;
            rest = shape[k] < 1 ? 0 : rest / shape[k];
        }
        if (!inside) {
            mt_node_error(node, error, "index %" G_GINT64_FORMAT " is outside the output", index);
            return false;
        }
        mt_store_doubles(outputs[0], at, 1, &value);
    }
    return true;
}

const mt_operator mt_family_col2im[] = {
    {"Col2Im", 18, 21, infer_col2im, run_col2im},
    {"MaxUnpool", 9, 21, infer_unpool, run_unpool},
    {NULL, 0, 0, NULL, NULL},
};
