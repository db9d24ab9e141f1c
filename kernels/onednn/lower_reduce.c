/* Reductions: over all spatial dimensions as pooling, which keeps any layout; along neighbouring dimensions as a loop. */
#include "kernels/onednn/lower.h"
#include "kernels/onednn/reduce_loop.h"

#include <string.h>

typedef struct reduce_step {
    mt_reduction how;
    int64_t      outer, n, inner;
    mt_buffer   *x, *y;
    size_t       offset;
} reduce_step;

static bool run_reduce(mt_step *step, mt_session *session, GError **error)
{
    const reduce_step *r = step->context;

    (void)error;
    mt_reduce(r->how, r->outer, r->n, r->inner, (const float *)((const char *)r->x->data + r->offset), r->y->data, session->threads);
    return true;
}

/* Which dimensions go; false when that is computed. */
static bool read_axes(const mt_node *node, bool *gone)
{
    const mt_value *x = mt_node_input(node, 0), *input = mt_node_input(node, 1);
    int             n = 0;
    const int64_t  *axes = mt_node_ints(node, "axes", &n);

    memset(gone, 0, MT_MAX_RANK * sizeof *gone);
    if (input != NULL) {
        if (input->constant == NULL || input->dtype != MT_I64)
            return false;
        axes = input->constant->data;
        n = (int)mt_tensor_count(input->constant);
    }
    if (n == 0 && mt_node_int(node, "noop_with_empty_axes", 0) != 0)
        return false;
    for (int i = 0; i < (n == 0 ? x->rank : n); i++) {
        int64_t axis = n == 0 ? i : axes[i] < 0 ? axes[i] + x->rank : axes[i];

        if (axis < 0 || axis >= x->rank)
            return false;
        gone[axis] = true;
    }
    return true;
}

static bool is_spatial(const mt_value *x, const bool *gone)
{
    for (int i = 0; i < x->rank; i++)
        if (gone[i] != (i >= 2))
            return false;
    return x->rank >= 3 && x->rank <= 5;
}

/* (outer, n, inner), when the dimensions that go are neighbours. */
static bool split_shape(const mt_value *x, const bool *gone, reduce_step *r)
{
    int part = 0; /* 0 before, 1 within, 2 behind them */

    r->outer = r->n = r->inner = 1;
    for (int i = 0; i < x->rank; i++) {
        if (x->shape[i] == 1)
            continue;
        if (gone[i] ? part == 2 : part == 1)
            part++;
        if (gone[i] && part > 1)
            return false;
        part = gone[i] ? 1 : part;
        *(part == 0 ? &r->outer : part == 1 ? &r->n : &r->inner) *= x->shape[i];
    }
    return true;
}

/* Drops the ones that keepdims would keep. */
static void put_result(mt_lowering *l, const mt_value *out, const mt_place *y)
{
    mt_place place = *y;

    if (mt_view_reshape(&place.view, out->rank, out->shape))
        mt_lower_put(l, out, &place);
}

static mt_lowered lower_spatial(mt_lowering *l, const mt_node *node, bool mean, GError **error)
{
    const mt_value       *value = mt_node_input(node, 0), *out = mt_node_output(node, 0);
    const mt_place       *x = mt_lower_dense(l, value, error);
    mt_spatial            s = {0};
    int64_t               dims[MT_MAX_RANK];
    const mt_md          *src, *dst;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = mt_lower_attr();
    mt_place              y;
    mt_primitive         *p;
    bool                  made;

    for (int i = 0; i < DNNL_MAX_NDIMS; i++) {
        s.strides[i] = s.dilations[i] = 1;
        s.kernel[i] = i < value->rank - 2 ? value->shape[2 + i] : 1;
    }
    for (int i = 0; i < value->rank; i++)
        dims[i] = i < 2 ? value->shape[i] : 1;
    src = x == NULL ? NULL : mt_place_md(l, x);
    dst = mt_lower_md(l, value->rank, dims, NULL);
    made =
        x != NULL && mt_pd_pooling(&pd, mt_lower_engine(l), attr, mean ? dnnl_pooling_avg_exclude_padding : dnnl_pooling_max, src, dst, &s);
    dnnl_primitive_attr_destroy(attr);
    if (!made)
        return x == NULL ? MT_LOWER_FAILED : MT_NOT_HERE;
    y = mt_lower_new(l, dst);
    p = mt_lower_primitive(l, node->name, pd, error);
    if (p == NULL)
        return MT_LOWER_FAILED;
    mt_primitive_reads(p, DNNL_ARG_SRC, x, src);
    mt_primitive_writes(p, DNNL_ARG_DST, &y, dst);
    put_result(l, out, &y);
    return MT_LOWERED;
}

static mt_lowered lower_loop(mt_lowering *l, const mt_node *node, const reduce_step *shape, GError **error)
{
    const mt_value *out = mt_node_output(node, 0);
    const mt_place *x = mt_lower_vector(l, mt_node_input(node, 0), error);
    mt_session     *session = mt_lower_session(l);
    mt_view         view;
    mt_place        y;
    mt_step        *step;
    reduce_step    *r;

    if (x == NULL)
        return MT_LOWER_FAILED;
    mt_view_init(&view, out->rank, out->shape);
    y = mt_lower_new_typed(l, MT_F32, &view);
    r = g_memdup2(shape, sizeof *shape);
    r->x = x->buffer;
    r->offset = x->offset;
    r->y = y.buffer;
    step = mt_session_step(session, node->name, "reduce", r, g_free);
    step->run = run_reduce;
    mt_step_reads(session, step, x->buffer);
    mt_step_writes(session, step, y.buffer);
    mt_lower_put(l, out, &y);
    return MT_LOWERED;
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    static const char *const names[] = {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"}; /* in the order of mt_reduction */
    const mt_value          *x = mt_node_input(node, 0);
    bool                     gone[MT_MAX_RANK];
    reduce_step              r = {0};
    mt_lowered               outcome = MT_NOT_HERE;

    if (!mt_is_f32(x) || !read_axes(node, gone))
        return MT_NOT_HERE;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(node->op, names[i]) == 0)
            r.how = (mt_reduction)i;
    if (is_spatial(x, gone) && (r.how == MT_REDUCE_MEAN || r.how == MT_REDUCE_MAX))
        outcome = lower_spatial(l, node, r.how == MT_REDUCE_MEAN, error);
    if (outcome != MT_NOT_HERE || !split_shape(x, gone, &r))
        return outcome;
    return lower_loop(l, node, &r, error);
}

const mt_lower_entry mt_lower_reduce[] = {
    {"ReduceMax", lower, MT_STORE_ANY},
    {"ReduceMean", lower, MT_STORE_ANY},
    {"ReduceMin", lower, MT_STORE_ANY},
    {"ReduceSum", lower, MT_STORE_ANY},
    {0},
};
