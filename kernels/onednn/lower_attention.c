/* mt.Attention over views: no operand is copied as long as each matrix has one contiguous dimension. */
#include "kernels/onednn/attention.h"
#include "kernels/onednn/lower.h"

typedef struct attention_step {
    mt_attention_shape shape;
    mt_attention      *attention;
    mt_buffer         *buffers[5]; /* q, kt, v, mask, out */
    size_t             offsets[5];
    int64_t           *starts[5];
} attention_step;

enum { Q, KT, V, MASK, OUT };

static void free_attention(void *context)
{
    attention_step *a = context;

    for (int i = 0; i < 5; i++)
        g_free(a->starts[i]);
    if (a->attention != NULL)
        mt_attention_free(a->attention);
    g_free(a);
}

static const float *data_of(const attention_step *a, int i)
{
    return a->buffers[i] == NULL ? NULL : (const float *)((const char *)a->buffers[i]->data + a->offsets[i]);
}

static bool bind_attention(mt_step *step, mt_session *session, GError **error)
{
    attention_step *a = step->context;

    if (mt_attention_bind(a->attention, session->scratch))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "node '%s': oneDNN refused a memory object", step->name);
    return false;
}

static bool run_attention(mt_step *step, mt_session *session, GError **error)
{
    attention_step *a = step->context;

    (void)session;
    if (mt_attention_run(a->attention, data_of(a, Q), data_of(a, KT), data_of(a, V), data_of(a, MASK), (float *)data_of(a, OUT)))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MEMORY, "oneDNN could not multiply the matrices of attention");
    return false;
}

/* Where matrix after matrix begins, in the row-major order of the leading dimensions. */
static int64_t *starts_of(const mt_view *view, int64_t batch)
{
    int      n = mt_view_first(view, view->rank - 2);
    int64_t *starts = g_new0(int64_t, (gsize)batch);

    for (int64_t b = 0; b < batch; b++) {
        int64_t rest = b;

        for (int i = n - 1; i >= 0; i--) {
            starts[b] += rest % view->dims[i] * view->strides[i];
            rest /= view->dims[i];
        }
    }
    return starts;
}

/* Rows and columns of one part each, one of them contiguous and the other not overlapping it. */
static bool is_usable(const mt_view *view)
{
    int     r = view->rank, first = mt_view_first(view, r - 2);
    int64_t rows, columns;

    if (view->parts[r - 2] != 1 || view->parts[r - 1] != 1)
        return false;
    rows = view->strides[first];
    columns = view->strides[first + 1];
    return (columns == 1 && rows >= view->dims[first + 1]) || (rows == 1 && columns >= view->dims[first]);
}

static void set_operand(attention_step *a, int i, const mt_place *place, const mt_view *view, mt_matrices *m)
{
    int first = mt_view_first(view, view->rank - 2);

    a->buffers[i] = place->buffer;
    a->offsets[i] = place->offset;
    a->starts[i] = starts_of(view, a->shape.batch);
    m->starts = a->starts[i];
    m->rows = view->strides[first];
    m->columns = view->strides[first + 1];
}

static const mt_place *place_operand(mt_lowering *l, const mt_value *value, mt_view *view, GError **error)
{
    const mt_place *place = mt_lower_strided(l, value, error);

    if (place == NULL)
        return NULL;
    *view = place->view;
    mt_view_join(view);
    if (is_usable(view))
        return place;
    place = mt_lower_plain(l, value, error);
    if (place != NULL)
        *view = place->view;
    return place;
}

/* The mask with all dimensions of the scores, repeated where it has 1. */
static bool set_mask(attention_step *a, mt_lowering *l, const mt_value *mask, const mt_value *q, GError **error)
{
    const mt_place *place = mt_lower_plain(l, mask, error);
    mt_view         view = {.rank = q->rank, .n = q->rank}, own;
    int             skipped = q->rank - mask->rank;

    if (place == NULL)
        return false;
    mt_view_init(&own, mask->rank, mask->shape);
    for (int i = 0; i < q->rank; i++) {
        view.parts[i] = 1;
        view.dims[i] = i < q->rank - 1 ? q->shape[i] : a->shape.s;
        view.strides[i] = i < skipped || own.dims[i - skipped] == 1 ? 0 : own.strides[i - skipped];
    }
    set_operand(a, MASK, place, &view, &a->shape.mask);
    return true;
}

/* The result lies in the order of v, so that what undoes the split into heads finds it in place. */
static void result_view(mt_view *view, const mt_view *v, const mt_value *out)
{
    int row = mt_view_first(v, v->rank - 2);

    mt_view_init(view, out->rank, out->shape);
    if (v->strides[row + 1] != 1)
        return;
    *view = *v;
    view->dims[row] = out->shape[out->rank - 2];
    mt_view_densify(view);
    if (view->strides[row + 1] != 1)
        mt_view_init(view, out->rank, out->shape);
}

static void describe(attention_step *a, const mt_node *node)
{
    const mt_value *q = mt_node_input(node, 0), *kt = mt_node_input(node, 1), *v = mt_node_input(node, 2);
    int             r = q->rank;

    a->shape = (mt_attention_shape){.batch = 1, .l = q->shape[r - 2], .d = q->shape[r - 1], .s = kt->shape[r - 1], .e = v->shape[r - 1]};
    a->shape.scale = mt_node_float(node, "scale", 1);
    for (int i = 0; i < r - 2; i++)
        a->shape.batch *= q->shape[i];
}

static mt_lowered lower(mt_lowering *l, const mt_node *node, GError **error)
{
    attention_step *a = g_new0(attention_step, 1);
    mt_matrices    *operands[3] = {&a->shape.q, &a->shape.kt, &a->shape.v};
    const mt_value *out = mt_node_output(node, 0), *mask = mt_node_input(node, 3);
    mt_session     *session = mt_lower_session(l);
    mt_view         view, v_view;
    mt_place        y;
    mt_step        *step;
    bool            done = true;

    describe(a, node);
    for (int i = 0; i < 3 && done; i++) {
        const mt_place *place = place_operand(l, mt_node_input(node, i), &view, error);

        done = place != NULL;
        if (done)
            set_operand(a, i, place, &view, operands[i]);
    }
    if (!done || (mask != NULL && !set_mask(a, l, mask, mt_node_input(node, 0), error))) {
        free_attention(a);
        return MT_LOWER_FAILED;
    }
    v_view = view; /* the last operand was v */
    result_view(&view, &v_view, out);
    y = mt_lower_new_view(l, &view);
    set_operand(a, OUT, &y, &y.view, &a->shape.out);
    a->attention = mt_attention_new(&a->shape, session->threads, mt_lower_engine(l), mt_lower_stream(l));
    if (a->attention == NULL) {
        free_attention(a);
        return MT_NOT_HERE;
    }
    step = mt_session_step(session, node->name, "attention", a, free_attention);
    step->bind = bind_attention;
    step->run = run_attention;
    step->scratch_bytes = mt_attention_scratch(a->attention);
    for (int i = 0; i < OUT; i++)
        if (a->buffers[i] != NULL)
            mt_step_reads(session, step, a->buffers[i]);
    mt_step_writes(session, step, y.buffer);
    mt_lower_put(l, out, &y);
    return MT_LOWERED;
}

const mt_lower_entry mt_lower_attention[] = {{"mt.Attention", lower, MT_STORE_F32}, {0}};
