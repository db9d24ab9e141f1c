/* Slices picked from an axis: Compress by a mask, Unique by value, ReverseSequence in another order. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "src/base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* A tensor as outer x n x inner around an axis; without an axis it is flat. */
typedef struct {
    int64_t outer, n, inner;
} around;

static around around_axis(int rank, const int64_t *shape, bool flat, int axis)
{
    if (flat)
        return (around){1, mt_product_of(shape, 0, rank), 1};
    return (around){mt_product_of(shape, 0, axis), shape[axis], mt_product_of(shape, axis + 1, rank)};
}

static bool read_axis(const mt_node *node, int rank, bool *flat, int *axis, GError **error)
{
    *flat = mt_node_attr(node, "axis") == NULL;
    *axis = 0;
    return *flat || mt_want_axis(node, mt_node_int(node, "axis", 0), rank, axis, error);
}

/* Slice `from` of the axis of x becomes slice `to` of y. */
static void copy_slice(const mt_tensor *x, around a, int64_t from, mt_tensor *y, int64_t y_n, int64_t to)
{
    size_t width = mt_dtype_size(x->dtype) * (size_t)a.inner;

    for (int64_t o = 0; o < a.outer && width > 0; o++)
        memcpy((char *)y->data + (size_t)(o * y_n + to) * width, (const char *)x->data + (size_t)(o * a.n + from) * width, width);
}

static bool infer_compress(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *mask = mt_node_input(node, 1);
    int64_t         shape[MT_MAX_RANK], n = -1;
    bool            flat;
    int             axis;

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 1, MT_TYPES_BOOL, error) || !mt_want_rank(node, 1, 1, 1, error) ||
        !read_axis(node, x->rank, &flat, &axis, error))
        return false;
    int64_t length = flat ? mt_value_count(x) : x->shape[axis];
    if (mask->shape[0] >= 0 && length >= 0 && mask->shape[0] > length) {
        mt_node_error(node, error, "a mask of %" G_GINT64_FORMAT " for %" G_GINT64_FORMAT " slices", mask->shape[0], length);
        return false;
    }
    if (mask->constant != NULL) {
        n = 0;
        for (int64_t i = 0; i < mask->shape[0]; i++)
            n += mt_element_int(mask->constant, i) != 0;
    }
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = n;
    mt_set_output(node, 0, x->dtype, flat ? 1 : x->rank, shape);
    return true;
}

static bool run_compress(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0], *mask = inputs[1];
    bool             flat;
    int              axis;

    if (!read_axis(node, x->rank, &flat, &axis, error))
        return false;
    around  a = around_axis(x->rank, x->shape, flat, axis);
    int64_t found = 0, n = outputs[0]->shape[axis];
    for (int64_t i = 0; i < mask->shape[0] && found < n; i++)
        if (mt_element_int(mask, i) != 0)
            copy_slice(x, a, i, outputs[0], n, found++);
    return true;
}

/* The slices of an axis in order of their values, and which are equal. */
typedef struct {
    const mt_tensor *x;
    around           a;
    int64_t         *order; /* slices sorted by value, of equals the first in front */
    int64_t         *first; /* per different slice: where it first occurs, in the order wanted */
    int64_t         *rank;  /* per slice: which different one it is */
    int64_t         *count; /* per different slice */
    int64_t          n;     /* different ones */
} distinct;

static int compare_slices(const void *left, const void *right, void *data)
{
    const distinct *d = data;
    int64_t         i = *(const int64_t *)left, j = *(const int64_t *)right;
    bool            floats = mt_dtype_is_float(d->x->dtype);

    for (int64_t o = 0; o < d->a.outer; o++)
        for (int64_t k = 0; k < d->a.inner; k++) {
            int64_t p = (o * d->a.n + i) * d->a.inner + k, q = (o * d->a.n + j) * d->a.inner + k;
            double  u = mt_element_double(d->x, p), v = mt_element_double(d->x, q);
            int64_t s = floats ? 0 : mt_element_int(d->x, p), t = floats ? 0 : mt_element_int(d->x, q);

            if (u != v && !(u != u && v != v)) /* NaN behind all numbers */
                return u < v || v != v ? -1 : 1;
            if (s != t)
                return s < t ? -1 : 1;
        }
    return 0;
}

static int compare_stable(const void *left, const void *right, void *data)
{
    int64_t i = *(const int64_t *)left, j = *(const int64_t *)right;
    int     order = compare_slices(left, right, data);

    return order != 0 ? order : (i > j) - (i < j);
}

static int compare_indices(const void *left, const void *right)
{
    int64_t i = *(const int64_t *)left, j = *(const int64_t *)right;

    return (i > j) - (i < j);
}

/* first[] holds the first occurrences by value; in the order of the input where `sorted` is not wanted. */
static void find_distinct(distinct *d, bool sorted)
{
    for (int64_t i = 0; i < d->a.n; i++)
        d->order[i] = i;
    g_qsort_with_data(d->order, (gint)d->a.n, sizeof *d->order, compare_stable, d);
    for (int64_t i = 0; i < d->a.n; i++)
        if (i == 0 || compare_slices(&d->order[i - 1], &d->order[i], d) != 0)
            d->first[d->n++] = d->order[i];
    if (!sorted)
        qsort(d->first, (size_t)d->n, sizeof *d->first, compare_indices);
    for (int64_t k = 0; k < d->n; k++) /* the runs of equals start with these */
        d->rank[d->first[k]] = k;
    for (int64_t i = 0; i < d->a.n; i++) {
        if (i > 0 && compare_slices(&d->order[i - 1], &d->order[i], d) == 0)
            d->rank[d->order[i]] = d->rank[d->order[i - 1]];
        d->count[d->rank[d->order[i]]]++;
    }
}

static bool make_distinct(const mt_node *node, const mt_tensor *x, distinct *d, GError **error)
{
    bool flat;
    int  axis;

    if (!read_axis(node, x->rank, &flat, &axis, error))
        return false;
    *d = (distinct){.x = x, .a = around_axis(x->rank, x->shape, flat, axis)};
    if (d->a.n > G_MAXINT) {
        mt_node_error(node, error, "%" G_GINT64_FORMAT " slices are more than can be sorted", d->a.n);
        return false;
    }
    d->order = mt_alloc(4 * d->a.n, sizeof *d->order, error);
    if (d->order == NULL)
        return false;
    d->first = d->order + d->a.n;
    d->rank = d->first + d->a.n;
    d->count = d->rank + d->a.n;
    find_distinct(d, mt_node_int(node, "sorted", 1) != 0);
    return true;
}

/* Its shapes are data, so they are known for constants only. */
static bool infer_unique(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    int64_t         shape[MT_MAX_RANK], n = -1;
    bool            flat;
    int             axis;

    if (!mt_want_inputs(node, 1, 1, error) || !read_axis(node, x->rank, &flat, &axis, error))
        return false;
    if (x->constant != NULL) {
        distinct d;

        if (!make_distinct(node, x->constant, &d, error))
            return false;
        n = d.n;
        mt_free(d.order);
    }
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = n;
    int64_t inverse = flat ? mt_value_count(x) : x->shape[axis];
    mt_set_output(node, 0, x->dtype, flat ? 1 : x->rank, shape);
    mt_set_output(node, 1, MT_I64, 1, &n);
    mt_set_output(node, 2, MT_I64, 1, &inverse);
    mt_set_output(node, 3, MT_I64, 1, &n);
    return true;
}

static bool run_unique(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    distinct d;

    if (!make_distinct(node, inputs[0], &d, error))
        return false;
    const int64_t *lists[] = {NULL, d.first, d.rank, d.count};
    for (int64_t k = 0; k < d.n && outputs[0] != NULL; k++)
        copy_slice(inputs[0], d.a, d.first[k], outputs[0], d.n, k);
    for (guint i = 1; i < MIN(node->outputs->len, 4); i++)
        if (outputs[i] != NULL)
            memcpy(outputs[i]->data, lists[i], mt_tensor_bytes(outputs[i]));
    mt_free(d.order);
    return true;
}

static bool infer_reverse(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0), *lengths = mt_node_input(node, 1);
    int64_t         batch = mt_node_int(node, "batch_axis", 1), time = mt_node_int(node, "time_axis", 0);

    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_rank(node, 0, 2, MT_MAX_RANK, error) ||
        !mt_want_type(node, 1, MT_TYPE_BIT(MT_I64), error) || !mt_want_rank(node, 1, 1, 1, error))
        return false;
    bool fits = batch + time == 1 && batch >= 0 && time >= 0;
    if (!fits || (lengths->shape[0] >= 0 && x->shape[batch] >= 0 && lengths->shape[0] != x->shape[batch])) {
        mt_node_error(node, error, "batch_axis and time_axis are 0 and 1, with one length for each of the batch");
        return false;
    }
    mt_set_like_input(node);
    return true;
}

/* Along time the first `length` slices of each of the batch, backwards. */
static bool run_reverse(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    int              batch = (int)mt_node_int(node, "batch_axis", 1), time = 1 - batch;
    size_t           width = mt_dtype_size(x->dtype) * (size_t)mt_product_of(x->shape, 2, x->rank);

    for (int64_t b = 0; b < x->shape[batch]; b++) {
        int64_t length = mt_element_int(inputs[1], b);

        if (length < 0 || length > x->shape[time]) {
            mt_node_error(node, error, "a length of %" G_GINT64_FORMAT " is outside an axis of %" G_GINT64_FORMAT, length, x->shape[time]);
            return false;
        }
        for (int64_t t = 0; t < x->shape[time] && width > 0; t++) {
            int64_t from = t < length ? length - 1 - t : t;
            int64_t source = batch == 0 ? b * x->shape[1] + from : from * x->shape[1] + b;
            int64_t target = batch == 0 ? b * x->shape[1] + t : t * x->shape[1] + b;

            memcpy((char *)outputs[0]->data + (size_t)target * width, (const char *)x->data + (size_t)source * width, width);
        }
    }
    return true;
}

const mt_operator mt_family_select[] = {
    {"Compress", 9, 21, infer_compress, run_compress},
    {"ReverseSequence", 10, 21, infer_reverse, run_reverse},
    {"Unique", 11, 21, infer_unique, run_unique},
    {NULL, 0, 0, NULL, NULL},
};
