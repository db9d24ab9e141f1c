#include "kernels/onednn/broadcast_loop.h"

#include "kernels/onednn/float_rows.h"

#include "kernels/pixel/clones.h"

typedef struct loop {
    int        operation;
    mt_buffer *a, *b, *to;
    size_t     a_offset, b_offset, to_offset;
    mt_dtype   type, b_type;                            /* of a and to; of b */
    int        n;                                       /* dimensions, outermost in a's memory first; a and to are one array */
    int64_t    dims[MT_VIEW_MAX], strides[MT_VIEW_MAX]; /* of b; the last dimension is the inner loop */
} loop;

typedef enum operation { ADD, MUL, SUB, SUB_SWAPPED, DIV, DIV_SWAPPED, MAX_OF, MIN_OF } operation;

MT_ALWAYS_INLINE float apply(operation op, float x, float y)
{
    switch (op) {
    case ADD:
        return x + y;
    case MUL:
        return x * y;
    case SUB:
        return x - y;
    case SUB_SWAPPED:
        return y - x;
    case DIV:
        return x / y;
    case DIV_SWAPPED:
        return y / x;
    case MAX_OF:
        return x > y || x != x ? x : y;
    default:
        return x < y || x != x ? x : y;
    }
}

/* `op` is a constant wherever this is inlined, so each loop becomes vector code. */
MT_ALWAYS_INLINE void row_with(operation op, int64_t n, const float *a, const float *b, int64_t stride, float *to)
{
    if (stride == 0) {
        const float y = b[0];
        for (int64_t i = 0; i < n; i++)
            to[i] = apply(op, a[i], y);
    } else if (stride == 1) {
        for (int64_t i = 0; i < n; i++)
            to[i] = apply(op, a[i], b[i]);
    } else {
        for (int64_t i = 0; i < n; i++)
            to[i] = apply(op, a[i], b[i * stride]);
    }
}

MT_CLONES static void run_row(operation op, int64_t n, const float *a, const float *b, int64_t stride, float *to)
{
    switch (op) {
    case ADD:
        row_with(ADD, n, a, b, stride, to);
        break;
    case MUL:
        row_with(MUL, n, a, b, stride, to);
        break;
    case SUB:
        row_with(SUB, n, a, b, stride, to);
        break;
    case SUB_SWAPPED:
        row_with(SUB_SWAPPED, n, a, b, stride, to);
        break;
    case DIV:
        row_with(DIV, n, a, b, stride, to);
        break;
    case DIV_SWAPPED:
        row_with(DIV_SWAPPED, n, a, b, stride, to);
        break;
    case MAX_OF:
        row_with(MAX_OF, n, a, b, stride, to);
        break;
    default:
        row_with(MIN_OF, n, a, b, stride, to);
    }
}

#define CHUNK 512

/* Rows that are stored as bfloat16 are computed on in float32, a piece at a time. */
static void run_row_of(const loop *k, int64_t n, const char *a, const char *b, int64_t stride, char *to)
{
    size_t size = mt_dtype_size(k->type), b_size = mt_dtype_size(k->b_type);
    float  x[CHUNK], y[CHUNK];

    if (k->type == MT_F32 && k->b_type == MT_F32) {
        run_row((operation)k->operation, n, (const float *)a, (const float *)b, stride, (float *)to);
        return;
    }
    for (int64_t from = 0; from < n; from += CHUNK) {
        int64_t count = MIN(CHUNK, n - from), step = stride > 1 ? 1 : stride;

        mt_to_float(k->type, count, a + (size_t)from * size, 1, x);
        mt_to_float(k->b_type, stride == 0 ? 1 : count, b + (size_t)(from * stride) * b_size, stride, y);
        run_row((operation)k->operation, count, x, y, step, x);
        mt_from_float(k->type, count, x, to + (size_t)from * size);
    }
}

static operation operation_of(dnnl_alg_kind_t alg, bool swapped)
{
    switch ((int)alg) {
    case dnnl_binary_add:
        return ADD;
    case dnnl_binary_mul:
        return MUL;
    case dnnl_binary_sub:
        return swapped ? SUB_SWAPPED : SUB;
    case dnnl_binary_div:
        return swapped ? DIV_SWAPPED : DIV;
    case dnnl_binary_max:
        return MAX_OF;
    default:
        return MIN_OF;
    }
}

#define ROWS 64 /* of one piece of work */

/* Where b begins for number `index` of all but the last two dimensions. */
static int64_t start_of(const loop *k, int64_t index)
{
    int64_t at = 0;

    for (int i = k->n - 3; i >= 0; i--) {
        at += index % k->dims[i] * k->strides[i];
        index /= k->dims[i];
    }
    return at;
}

static bool run_loop(mt_step *step, mt_session *session, GError **error)
{
    const loop *k = step->context;
    const char *a = (const char *)k->a->data + k->a_offset, *b = (const char *)k->b->data + k->b_offset;
    char       *to = (char *)k->to->data + k->to_offset;
    size_t      size = mt_dtype_size(k->type), b_size = mt_dtype_size(k->b_type);
    int64_t     width = k->dims[k->n - 1], stride = k->strides[k->n - 1], outer = 1;
    int64_t     rows = k->n > 1 ? k->dims[k->n - 2] : 1, step_b = k->n > 1 ? k->strides[k->n - 2] : 0, pieces = (rows + ROWS - 1) / ROWS;

    (void)session;
    (void)error;
    for (int i = 0; i < k->n - 2; i++)
        outer *= k->dims[i];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < outer * pieces; i++) {
        int64_t first = i % pieces * ROWS, last = MIN(first + ROWS, rows), base = start_of(k, i / pieces);

        for (int64_t r = first; r < last; r++) {
            size_t at = (size_t)((i / pieces * rows + r) * width) * size;
            run_row_of(k, width, a + at, b + (size_t)(base + r * step_b) * b_size, stride, to + at);
        }
    }
    return true;
}

/* b's strides as if it had all dimensions of the result. */
static bool broadcast(mt_view *b, const mt_view *a)
{
    mt_view out = {.rank = a->rank};
    int     skipped = a->rank - b->rank;

    for (int axis = 0; axis < a->rank; axis++) {
        int64_t size = mt_view_dim(a, axis);
        bool    repeats = axis < skipped || (mt_view_dim(b, axis - skipped) == 1 && size > 1);
        int     first = repeats ? 0 : mt_view_first(b, axis - skipped);

        out.parts[axis] = repeats ? 1 : b->parts[axis - skipped];
        if (out.n + out.parts[axis] > MT_VIEW_MAX)
            return false;
        for (int i = 0; i < out.parts[axis]; i++, out.n++) {
            out.dims[out.n] = repeats ? size : b->dims[first + i];
            out.strides[out.n] = repeats ? 0 : b->strides[first + i];
        }
    }
    *b = out;
    return true;
}

/* Dimensions in the order of a's memory; neighbours that both operands walk evenly become one. */
static void arrange(loop *k, const mt_view *a, const mt_view *b)
{
    bool taken[MT_VIEW_MAX] = {false};

    k->n = 0;
    for (int round = 0; round < a->n; round++) {
        int best = -1;

        for (int i = 0; i < a->n; i++)
            if (!taken[i] && a->dims[i] > 1 && (best < 0 || a->strides[i] > a->strides[best]))
                best = i;
        if (best < 0)
            break;
        taken[best] = true;
        if (k->n > 0 && k->strides[k->n - 1] == b->strides[best] * b->dims[best]) {
            k->dims[k->n - 1] *= a->dims[best];
            k->strides[k->n - 1] = b->strides[best];
            continue;
        }
        k->dims[k->n] = a->dims[best];
        k->strides[k->n++] = b->strides[best];
    }
    if (k->n == 0)
        k->dims[k->n++] = 1;
}

static bool fit(loop *k, const mt_place *a, const mt_place *b)
{
    mt_view va = a->view, vb = b->view;

    if (!broadcast(&vb, &va) || !mt_view_refine(&va, &vb))
        return false;
    arrange(k, &va, &vb);
    return true;
}

bool mt_lower_loop(mt_lowering *l, const char *name, dnnl_alg_kind_t alg, const mt_place *a, const mt_value *b, bool swapped,
                   const mt_place *to, GError **error)
{
    const mt_place *other = mt_lower_strided(l, b, error);
    loop           *k = g_new0(loop, 1);
    mt_step        *step;

    if (other != NULL && !fit(k, a, other)) {
        other = mt_lower_plain(l, b, error);
        if (other != NULL && !fit(k, a, other)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "the layouts of its operands have too many parts");
            other = NULL;
        }
    }
    if (other == NULL) {
        g_free(k);
        return false;
    }
    k->operation = operation_of(alg, swapped);
    k->type = a->type;
    k->b_type = other->type;
    k->a = a->buffer;
    k->b = other->buffer;
    k->to = to->buffer;
    k->a_offset = a->offset;
    k->b_offset = other->offset;
    k->to_offset = to->offset;
    step = mt_session_step(mt_lower_session(l), name, "loop", k, g_free);
    step->run = run_loop;
    mt_step_reads(mt_lower_session(l), step, a->buffer);
    mt_step_reads(mt_lower_session(l), step, other->buffer);
    mt_step_writes(mt_lower_session(l), step, to->buffer);
    if (a->buffer != other->buffer && a->offset == 0 && to->offset == 0) {
        step->reuse_from = a->buffer;
        step->reuse_to = to->buffer;
    }
    return true;
}
