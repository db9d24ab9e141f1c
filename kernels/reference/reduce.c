/* Reductions over axes, ArgMax and ArgMin, CumSum.  Floats sum in double, integers in int64. */
#include "kernels/reference/element.h"
#include "kernels/reference/families.h"
#include "kernels/reference/shape_rules.h"
#include "kernels/reference/strided.h"

#include <math.h>
#include <string.h>

typedef enum { SUM, MEAN, PROD, MAXIMUM, MINIMUM, L1, L2, SUM_SQUARE, LOG_SUM, LOG_SUM_EXP } reduce_kind;

static const struct {
    const char *name;
    reduce_kind kind;
} kinds[] = {
    {"ReduceSum", SUM},        {"ReduceMean", MEAN},
    {"ReduceProd", PROD},      {"ReduceMax", MAXIMUM},
    {"ReduceMin", MINIMUM},    {"ReduceL1", L1},
    {"ReduceL2", L2},          {"ReduceSumSquare", SUM_SQUARE},
    {"ReduceLogSum", LOG_SUM}, {"ReduceLogSumExp", LOG_SUM_EXP},
};

static reduce_kind kind_of(const mt_node *node)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (strcmp(kinds[i].name, node->op) == 0)
            return kinds[i].kind;
    return SUM;
}

/* Which axes are reduced; false on a bad list.  *open when the list is not known yet. */
static bool reduced_axes(const mt_node *node, const mt_tensor *const *inputs, int rank, bool *reduced, bool *open, GError **error)
{
    int64_t       axes[MT_MAX_RANK];
    int           n;
    mt_list_state state = mt_node_axes(node, inputs, 1, rank, axes, &n, error);
    bool          all = (state == MT_LIST_ABSENT || n == 0) && mt_node_int(node, "noop_with_empty_axes", 0) == 0;

    *open = state == MT_LIST_OPEN;
    for (int i = 0; i < rank; i++)
        reduced[i] = all;
    for (int i = 0; i < n && state == MT_LIST_KNOWN; i++)
        reduced[axes[i]] = true;
    return state != MT_LIST_BAD;
}

static bool infer_reduce(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    bool            reduced[MT_MAX_RANK], open, keep = mt_node_int(node, "keepdims", 1) != 0;
    int64_t         shape[MT_MAX_RANK];
    int             rank = 0;
    unsigned        types = kind_of(node) == MAXIMUM || kind_of(node) == MINIMUM ? MT_TYPES_ANY : MT_TYPES_NUMBER;

    if (!mt_want_inputs(node, 1, 2, error) || !mt_want_type(node, 0, types, error) ||
        !reduced_axes(node, NULL, x->rank, reduced, &open, error))
        return false;
    for (int i = 0; i < x->rank; i++)
        if (open || !reduced[i] || keep)
            shape[rank++] = open ? -1 : (reduced[i] ? 1 : x->shape[i]);
    mt_set_output(node, 0, x->dtype, open && !keep ? -1 : rank, shape);
    return true;
}

/* The input as kept x reduced dimensions, in order. */
typedef struct {
    int     n_kept, n_reduced;
    int64_t kept[MT_MAX_RANK], kept_stride[MT_MAX_RANK];
    int64_t reduced[MT_MAX_RANK], reduced_stride[MT_MAX_RANK];
    int64_t count; /* elements that each output takes in */
} reduce_plan;

static reduce_plan make_plan(const mt_tensor *x, const bool *reduced)
{
    reduce_plan p = {.count = 1};
    int64_t     stride[MT_MAX_RANK];

    mt_contiguous_strides(x->rank, x->shape, stride);
    for (int i = 0; i < x->rank; i++) {
        if (!reduced[i]) {
            p.kept[p.n_kept] = x->shape[i];
            p.kept_stride[p.n_kept++] = stride[i];
            continue;
        }
        p.count *= x->shape[i];
        if (i > 0 && reduced[i - 1]) { /* neighbours reduce as one dimension */
            p.reduced[p.n_reduced - 1] *= x->shape[i];
            p.reduced_stride[p.n_reduced - 1] = stride[i];
        } else {
            p.reduced[p.n_reduced] = x->shape[i];
            p.reduced_stride[p.n_reduced++] = stride[i];
        }
    }
    return p;
}

static int64_t offset_of(int64_t index, int n, const int64_t *shape, const int64_t *stride)
{
    int64_t at = 0;

    for (int i = n - 1; i >= 0; index /= shape[i], i--)
        at += index % shape[i] * stride[i];
    return at;
}

static double join(reduce_kind kind, double sum, double x, double top)
{
    switch (kind) {
    case PROD:
        return sum * x;
    case MAXIMUM:
        return isnan(sum) || sum > x ? sum : x;
    case MINIMUM:
        return isnan(sum) || sum < x ? sum : x;
    case L1:
        return sum + fabs(x);
    case L2:
    case SUM_SQUARE:
        return sum + x * x;
    case LOG_SUM_EXP:
        return sum + exp(x - top);
    default:
        return sum + x;
    }
}

static double start_of(reduce_kind kind)
{
    if (kind == PROD)
        return 1;
    return kind == MAXIMUM ? -INFINITY : (kind == MINIMUM ? INFINITY : 0);
}

/* Everything one output takes in, along the last reduced dimension in runs. */
static double fold_doubles(const reduce_plan *p, const mt_tensor *x, int64_t base, reduce_kind kind, double top)
{
    double  sum = start_of(kind), run[MT_RUN];
    int     last = p->n_reduced - 1;
    int64_t width = last >= 0 ? p->reduced[last] : 1, stride = last >= 0 ? p->reduced_stride[last] : 1;

    for (int64_t done = 0; done < p->count; done += width) {
        int64_t row = base + offset_of(done / width, last, p->reduced, p->reduced_stride);

        for (int64_t at = 0; at < width; at += MT_RUN) {
            int n = (int)MIN(MT_RUN, width - at);

            mt_load_doubles(x, row + at * stride, stride, n, run);
            for (int i = 0; i < n; i++)
                sum = join(kind, sum, run[i], top);
        }
    }
    return sum;
}

static double reduce_doubles(const reduce_plan *p, const mt_tensor *x, int64_t base, reduce_kind kind)
{
    double top = kind == LOG_SUM_EXP ? fold_doubles(p, x, base, MAXIMUM, 0) : 0;

    top = isfinite(top) ? top : 0;
    double sum = fold_doubles(p, x, base, kind, top);
    switch (kind) {
    case MEAN:
        return sum / (double)p->count;
    case L2:
        return sqrt(sum);
    case LOG_SUM:
        return log(sum);
    case LOG_SUM_EXP:
        return log(sum) + top;
    default:
        return sum;
    }
}

static int64_t reduce_ints(const reduce_plan *p, const mt_tensor *x, int64_t base, reduce_kind kind)
{
    uint64_t sum = kind == PROD ? 1 : 0;
    int64_t  best = 0;

    for (int64_t i = 0; i < p->count; i++) {
        int64_t  value = mt_element_int(x, base + offset_of(i, p->n_reduced, p->reduced, p->reduced_stride));
        uint64_t u = (uint64_t)value;

        best = i == 0 || (kind == MAXIMUM ? value > best : value < best) ? value : best;
        sum = kind == PROD ? sum * u : sum + (kind == SUM_SQUARE ? u * u : (kind == L1 && value < 0 ? 0 - u : u));
    }
    if (kind == MAXIMUM || kind == MINIMUM)
        return best;
    return kind == MEAN && p->count > 0 ? (int64_t)sum / p->count : (int64_t)sum;
}

static bool is_exact(const mt_tensor *x, reduce_kind kind)
{
    return mt_dtype_is_int(x->dtype) && kind != L2 && kind != LOG_SUM && kind != LOG_SUM_EXP;
}

static bool run_reduce(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    reduce_kind      kind = kind_of(node);
    bool             reduced[MT_MAX_RANK], open;
    int64_t          count = mt_tensor_count(outputs[0]);

    if (!reduced_axes(node, inputs, x->rank, reduced, &open, error))
        return false;
    reduce_plan p = make_plan(x, reduced);
    for (int64_t i = 0; i < count; i++) {
        int64_t base = offset_of(i, p.n_kept, p.kept, p.kept_stride);

        if (is_exact(x, kind)) {
            int64_t value = reduce_ints(&p, x, base, kind);
            mt_store_ints(outputs[0], i, 1, &value);
        } else {
            double value = reduce_doubles(&p, x, base, kind);
            mt_store_doubles(outputs[0], i, 1, &value);
        }
    }
    return true;
}

static bool infer_arg(mt_node *node, GError **error)
{
    const mt_value *x = mt_node_input(node, 0);
    bool            keep = mt_node_int(node, "keepdims", 1) != 0;
    int64_t         shape[MT_MAX_RANK];
    int             axis, rank = 0;

    if (!mt_want_inputs(node, 1, 1, error) || !mt_want_type(node, 0, MT_TYPES_NUMBER, error) ||
        !mt_want_axis(node, mt_node_int(node, "axis", 0), x->rank, &axis, error))
        return false;
    if (x->shape[axis] == 0) {
        mt_node_error(node, error, "axis %d has no elements", axis);
        return false;
    }
    for (int i = 0; i < x->rank; i++)
        if (i != axis || keep)
            shape[rank++] = i == axis ? 1 : x->shape[i];
    mt_set_output(node, 0, MT_I64, rank, shape);
    return true;
}

static bool run_arg(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    bool             last = mt_node_int(node, "select_last_index", 0) != 0;
    double           sign = strcmp(node->op, "ArgMax") == 0 ? 1 : -1;
    int              axis;

    if (!mt_want_axis(node, mt_node_int(node, "axis", 0), x->rank, &axis, error))
        return false;
    int64_t n = x->shape[axis], inner = mt_product_of(x->shape, axis + 1, x->rank), count = mt_tensor_count(outputs[0]);
    for (int64_t i = 0; i < count; i++) {
        int64_t best = 0, start = i / inner * n * inner + i % inner;
        double  top = sign * mt_element_double(x, start);

        for (int64_t k = 1; k < n; k++) {
            double value = sign * mt_element_double(x, start + k * inner);
            if (value > top || (last && value == top)) {
                top = value;
                best = k;
            }
        }
        mt_store_ints(outputs[0], i, 1, &best);
    }
    return true;
}

static bool infer_cumsum(mt_node *node, GError **error)
{
    if (!mt_want_inputs(node, 2, 2, error) || !mt_want_type(node, 0, MT_TYPES_NUMBER, error) ||
        !mt_want_type(node, 1, MT_TYPES_INDEX, error))
        return false;
    mt_set_like_input(node);
    return true;
}

static bool run_cumsum(const mt_node *node, const mt_tensor *const *inputs, mt_tensor *const *outputs, GError **error)
{
    const mt_tensor *x = inputs[0];
    bool             exclusive = mt_node_int(node, "exclusive", 0) != 0, reverse = mt_node_int(node, "reverse", 0) != 0;
    int              axis;

    if (mt_tensor_count(inputs[1]) != 1) {
        mt_node_error(node, error, "the axis is not a scalar");
        return false;
    }
    if (!mt_want_axis(node, mt_element_int(inputs[1], 0), x->rank, &axis, error))
        return false;
    int64_t n = x->shape[axis], inner = mt_product_of(x->shape, axis + 1, x->rank), rows = mt_product_of(x->shape, 0, axis) * inner;
    for (int64_t r = 0; r < rows; r++) {
        int64_t  start = r / inner * n * inner + r % inner;
        double   sum = 0;
        uint64_t whole = 0;

        for (int64_t k = 0; k < n; k++) {
            int64_t  at = start + (reverse ? n - 1 - k : k) * inner;
            double   next = sum + mt_element_double(x, at);
            uint64_t next_whole = whole + (uint64_t)mt_element_int(x, at);

            if (mt_dtype_is_float(x->dtype))
                mt_store_doubles(outputs[0], at, 1, exclusive ? &sum : &next);
            else
                mt_store_ints(outputs[0], at, 1, (const int64_t *)(exclusive ? &whole : &next_whole));
            sum = next;
            whole = next_whole;
        }
    }
    return true;
}

const mt_operator mt_family_reduce[] = {
    {"ReduceSum", 1, 21, infer_reduce, run_reduce},
    {"ReduceMean", 1, 21, infer_reduce, run_reduce},
    {"ReduceProd", 1, 21, infer_reduce, run_reduce},
    {"ReduceMax", 1, 21, infer_reduce, run_reduce},
    {"ReduceMin", 1, 21, infer_reduce, run_reduce},
    {"ReduceL1", 1, 21, infer_reduce, run_reduce},
    {"ReduceL2", 1, 21, infer_reduce, run_reduce},
    {"ReduceSumSquare", 1, 21, infer_reduce, run_reduce},
    {"ReduceLogSum", 1, 21, infer_reduce, run_reduce},
    {"ReduceLogSumExp", 1, 21, infer_reduce, run_reduce},
    {"ArgMax", 1, 21, infer_arg, run_arg},
    {"ArgMin", 1, 21, infer_arg, run_arg},
    {"CumSum", 11, 21, infer_cumsum, run_cumsum},
    {NULL, 0, 0, NULL, NULL},
};
