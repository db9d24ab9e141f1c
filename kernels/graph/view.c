#include "kernels/graph/view.h"

void mt_view_init(mt_view *view, int rank, const int64_t *shape)
{
    int64_t stride = 1;

    *view = (mt_view){.rank = rank, .n = rank};
    for (int i = rank - 1; i >= 0; i--) {
        view->parts[i] = 1;
        view->dims[i] = shape[i];
        view->strides[i] = stride;
        stride *= shape[i];
    }
}

int64_t mt_view_count(const mt_view *view)
{
    int64_t count = 1;

    for (int i = 0; i < view->n; i++)
        count *= view->dims[i];
    return count;
}

int mt_view_first(const mt_view *view, int axis)
{
    int first = 0;

    for (int i = 0; i < axis; i++)
        first += view->parts[i];
    return first;
}

int64_t mt_view_dim(const mt_view *view, int axis)
{
    int     first = mt_view_first(view, axis);
    int64_t size = 1;

    for (int i = 0; i < view->parts[axis]; i++)
        size *= view->dims[first + i];
    return size;
}

static bool append(mt_view *view, int64_t dim, int64_t stride)
{
    if (view->n == MT_VIEW_MAX)
        return false;
    view->dims[view->n] = dim;
    view->strides[view->n++] = stride;
    return true;
}

/* What a walk over the parts of a view has left: part `next`, of which `rest` outer elements `stride` apart remain. */
typedef struct cursor {
    const mt_view *view;
    int            next;
    int64_t        rest;
} cursor;

/* Takes `want` elements from the cursor as parts of one dimension of `out`. */
static bool take(cursor *c, int64_t want, mt_view *out)
{
    while (want > 1) {
        if (c->rest == 1) {
            if (c->next + 1 >= c->view->n)
                return false;
            c->rest = c->view->dims[++c->next];
            continue;
        }
        int64_t stride = c->view->strides[c->next];
        int64_t inner = c->rest > want ? c->rest / want : 1; /* left for later dimensions */
        int64_t outer = c->rest / inner;

        if (outer * inner != c->rest || want % outer != 0 || !append(out, outer, stride * inner))
            return false;
        c->rest = inner;
        want /= outer;
    }
    return true;
}

bool mt_view_reshape(mt_view *view, int rank, const int64_t *shape)
{
    mt_view out = {.rank = rank};
    cursor  c = {.view = view, .next = -1, .rest = 1};

    if (mt_view_count(view) == 0)
        return false;
    for (int i = 0; i < rank; i++) {
        int before = out.n;

        if (!take(&c, shape[i], &out) || (out.n == before && !append(&out, 1, 1)))
            return false;
        out.parts[i] = out.n - before;
    }
    /* dimensions of 1 as row-major memory has them, for those who compare strides */
    for (int i = out.n - 2; i >= 0; i--)
        if (out.dims[i] == 1)
            out.strides[i] = out.strides[i + 1] * out.dims[i + 1];
    *view = out;
    return true;
}

bool mt_view_permute(mt_view *view, const int64_t *perm)
{
    mt_view out = {.rank = view->rank};

    for (int i = 0; i < view->rank; i++) {
        int first = mt_view_first(view, (int)perm[i]);

        out.parts[i] = view->parts[perm[i]];
        for (int k = 0; k < out.parts[i]; k++)
            if (!append(&out, view->dims[first + k], view->strides[first + k]))
                return false;
    }
    *view = out;
    return true;
}

bool mt_view_slice(mt_view *view, int axis, int64_t start, int64_t length, int64_t step, int64_t *offset)
{
    int     first = mt_view_first(view, axis);
    int64_t inner = mt_view_dim(view, axis);

    *offset = 0;
    if (start == 0 && step == 1 && length == inner)
        return true;
    inner = view->dims[first] > 0 ? inner / view->dims[first] : 1; /* elements of the dimension inside its outer part */
    if (length <= 0 || (inner > 1 && (start % inner != 0 || length % inner != 0 || step != 1)))
        return false;
    *offset = start / inner * view->strides[first];
    view->dims[first] = length / inner;
    view->strides[first] *= step;
    return true;
}

/* Joins parts of dimension `axis`, which begins at part `first`; returns how many are left. */
static int join_axis(mt_view *view, int first, int parts)
{
    int kept = 0;

    for (int i = 0; i < parts; i++) {
        int64_t dim = view->dims[first + i], stride = view->strides[first + i];

        if (dim == 1 && kept + (parts - 1 - i) > 0)
            continue;
        if (kept > 0 && view->strides[first + kept - 1] == stride * dim) {
            view->dims[first + kept - 1] *= dim;
            view->strides[first + kept - 1] = stride;
            continue;
        }
        view->dims[first + kept] = dim;
        view->strides[first + kept++] = stride;
    }
    return kept;
}

bool mt_view_join(mt_view *view)
{
    int  to = 0, from = 0;
    bool whole = true;

    for (int axis = 0; axis < view->rank; axis++) {
        int parts = view->parts[axis], kept = join_axis(view, from, parts);

        for (int i = 0; i < kept; i++) {
            view->dims[to + i] = view->dims[from + i];
            view->strides[to + i] = view->strides[from + i];
        }
        view->parts[axis] = kept;
        whole = whole && kept == 1;
        to += kept;
        from += parts;
    }
    view->n = to;
    return whole;
}

bool mt_view_is_contiguous(const mt_view *view)
{
    int64_t stride = 1;

    for (int i = view->n - 1; i >= 0; i--) {
        if (view->dims[i] != 1 && view->strides[i] != stride)
            return false;
        stride *= view->dims[i];
    }
    return true;
}

/* Parts larger than 1 from the outermost in memory to the innermost; returns their number. */
static int sort_parts(const mt_view *view, int n, int *order)
{
    int kept = 0;

    for (int i = 0; i < n; i++) {
        int at = kept;

        if (view->dims[i] == 1)
            continue;
        while (at > 0 && view->strides[order[at - 1]] < view->strides[i]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
        kept++;
    }
    return kept;
}

bool mt_view_is_dense(const mt_view *view)
{
    int     order[MT_VIEW_MAX], n = sort_parts(view, view->n, order);
    int64_t stride = 1;

    for (int i = n - 1; i >= 0; i--) {
        if (view->strides[order[i]] != stride)
            return false;
        stride *= view->dims[order[i]];
    }
    return true;
}

void mt_view_densify(mt_view *view)
{
    int     order[MT_VIEW_MAX], n = sort_parts(view, view->n, order);
    int64_t stride = 1;

    for (int i = n - 1; i >= 0; i--) {
        view->strides[order[i]] = stride;
        stride *= view->dims[order[i]];
    }
    for (int i = 0; i < view->n; i++)
        if (view->dims[i] == 1)
            view->strides[i] = stride;
}

bool mt_view_equal(const mt_view *a, const mt_view *b)
{
    if (a->rank != b->rank || a->n != b->n)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->parts[i] != b->parts[i])
            return false;
    for (int i = 0; i < a->n; i++)
        if (a->dims[i] != b->dims[i] || (a->dims[i] > 1 && a->strides[i] != b->strides[i]))
            return false;
    return true;
}

/* The parts of one dimension, collected from the innermost to the outermost. */
typedef struct cuts {
    int     n;
    int64_t dims[MT_VIEW_MAX], strides[2][MT_VIEW_MAX];
} cuts;

static bool refine_axis(const mt_view *const views[2], int axis, cuts *c)
{
    int     at[2], first[2];
    int64_t rest[2], stride[2];

    for (int k = 0; k < 2; k++) {
        first[k] = mt_view_first(views[k], axis);
        at[k] = first[k] + views[k]->parts[axis] - 1;
        rest[k] = views[k]->dims[at[k]];
        stride[k] = views[k]->strides[at[k]];
    }
    for (;;) {
        int64_t step = rest[0] < rest[1] ? rest[0] : rest[1];

        if (c->n == MT_VIEW_MAX || step == 0 || rest[0] % step != 0 || rest[1] % step != 0)
            return false;
        c->dims[c->n] = step;
        for (int k = 0; k < 2; k++) {
            c->strides[k][c->n] = stride[k];
            rest[k] /= step;
            stride[k] *= step;
        }
        c->n++;
        for (int k = 0; k < 2; k++)
            while (rest[k] == 1 && at[k] > first[k]) {
                rest[k] = views[k]->dims[--at[k]];
                stride[k] = views[k]->strides[at[k]];
            }
        if (rest[0] == 1 && rest[1] == 1)
            return true;
    }
}

bool mt_view_refine(mt_view *a, mt_view *b)
{
    const mt_view *const views[2] = {a, b};
    mt_view              out[2] = {{.rank = a->rank}, {.rank = b->rank}};

    for (int axis = 0; axis < a->rank; axis++) {
        cuts c = {0};

        if (!refine_axis(views, axis, &c) || out[0].n + c.n > MT_VIEW_MAX)
            return false;
        for (int k = 0; k < 2; k++) {
            out[k].parts[axis] = c.n;
            for (int i = c.n - 1; i >= 0; i--)
                append(&out[k], c.dims[i], c.strides[k][i]);
        }
    }
    *a = out[0];
    *b = out[1];
    return true;
}

bool mt_view_rows(const mt_view *view, int axis, int64_t *count, int64_t *stride)
{
    int order[MT_VIEW_MAX], n = sort_parts(view, mt_view_first(view, axis), order);

    *count = 1;
    *stride = 1;
    for (int i = axis; i < view->rank; i++)
        *stride *= mt_view_dim(view, i);
    if (n > 0)
        *stride = view->strides[order[n - 1]];
    for (int i = n - 1; i >= 0; i--) {
        if (view->strides[order[i]] != *stride * *count)
            return false;
        *count *= view->dims[order[i]];
    }
    return true;
}

bool mt_view_like_rows(mt_view *result, const mt_view *view, int axis, int n_tail, const int64_t *tail)
{
    mt_view out;
    int64_t count, stride, row = 1;
    int     first = mt_view_first(view, axis);

    if (first + n_tail > MT_VIEW_MAX || axis + n_tail > MT_MAX_RANK)
        return false;
    mt_view_rows(view, axis, &count, &stride);
    mt_view_init(&out, n_tail, tail);
    for (int i = 0; i < n_tail; i++)
        row *= tail[i];
    *result = *view;
    result->rank = axis + n_tail;
    result->n = first + n_tail;
    for (int i = 0; i < first; i++)
        result->strides[i] = view->dims[i] == 1 ? row : view->strides[i] / stride * row;
    for (int i = 0; i < n_tail; i++) {
        result->parts[axis + i] = 1;
        result->dims[first + i] = out.dims[i];
        result->strides[first + i] = out.strides[i];
    }
    return true;
}
