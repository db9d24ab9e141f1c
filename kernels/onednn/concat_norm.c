#include "kernels/onednn/concat_norm.h"

#include "kernels/graph/match.h"
#include "kernels/onednn/lowering_private.h"
#include "kernels/pixel/clones.h"
#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

#define PIXELS 16 /* of one piece of work: their results stay in the first-level cache */

typedef struct part {
    mt_place place;
    int64_t  channels, stride; /* elements from pixel to pixel */
} part;

typedef struct concat_norm {
    part    *parts;
    int      n;
    mt_place to;
    int64_t  pixels, channels;
    bool     relu;
    float   *scale, *shift; /* one a channel; kept by the runtime */
} concat_norm;

MT_ALWAYS_INLINE float load(const void *row, int64_t i, bool half)
{
    uint32_t bits;
    float    x;

    if (!half)
        return ((const float *)row)[i];
    bits = (uint32_t)((const uint16_t *)row)[i] << 16;
    memcpy(&x, &bits, sizeof x);
    return x;
}

MT_ALWAYS_INLINE void store(void *row, int64_t i, float x, bool half)
{
    uint32_t bits;

    if (!half) {
        ((float *)row)[i] = x;
        return;
    }
    memcpy(&bits, &x, sizeof bits);
    bits = (bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    ((uint16_t *)row)[i] = (uint16_t)bits;
}

MT_ALWAYS_INLINE void rows_with(bool half, bool relu, int64_t pixels, int64_t channels, const char *from, int64_t stride, char *to,
                                int64_t to_stride, const float *scale, const float *shift)
{
    const size_t size = half ? 2 : 4;

    for (int64_t p = 0; p < pixels; p++, from += (size_t)stride * size, to += (size_t)to_stride * size)
        for (int64_t c = 0; c < channels; c++) {
            float x = load(from, c, half) * scale[c] + shift[c];
            store(to, c, relu && x < 0 ? 0 : x, half); /* NaN stays */
        }
}

MT_CLONES static void normalise_rows(bool half, bool relu, int64_t pixels, int64_t channels, const char *from, int64_t stride, char *to,
                                     int64_t to_stride, const float *scale, const float *shift)
{
    if (half && relu)
        rows_with(true, true, pixels, channels, from, stride, to, to_stride, scale, shift);
    else if (half)
        rows_with(true, false, pixels, channels, from, stride, to, to_stride, scale, shift);
    else if (relu)
        rows_with(false, true, pixels, channels, from, stride, to, to_stride, scale, shift);
    else
        rows_with(false, false, pixels, channels, from, stride, to, to_stride, scale, shift);
}

static bool run_concat_norm(mt_step *step, mt_session *session, GError **error)
{
    const concat_norm *k = step->context;
    bool               half = k->to.type == MT_BF16;
    size_t             size = half ? 2 : 4;

    (void)session;
    (void)error;
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < k->pixels; first += PIXELS) {
        int64_t pixels = MIN(PIXELS, k->pixels - first), channel = 0;
        char   *to = (char *)k->to.buffer->data + k->to.offset + (size_t)(first * k->channels) * size;

        for (int i = 0; i < k->n; channel += k->parts[i++].channels) {
            const part *p = &k->parts[i];
            const char *from = (const char *)p->place.buffer->data + p->place.offset + (size_t)(first * p->stride) * size;

            normalise_rows(half, k->relu, pixels, p->channels, from, p->stride, to + (size_t)channel * size, k->channels,
                           k->scale + channel, k->shift + channel);
        }
    }
    return true;
}

/* Pixels of `place` as rows of channels, evenly apart. */
static bool read_part(const mt_place *place, part *p, int64_t *pixels)
{
    mt_view view = place->view;
    int64_t perm[MT_MAX_RANK];

    if (!place->strided)
        return false;
    for (int i = 0; i < view.rank; i++)
        perm[i] = i == 0 ? 0 : i == view.rank - 1 ? 1 : i + 1;
    if (!mt_view_permute(&view, perm))
        return false;
    mt_view_join(&view);
    p->place = *place;
    p->channels = mt_view_dim(&view, view.rank - 1);
    return view.parts[view.rank - 1] == 1 && view.strides[view.n - 1] == 1 && mt_view_rows(&view, view.rank - 1, pixels, &p->stride) &&
           (*pixels == 1 || p->stride >= p->channels);
}

static const mt_node *next_node(const mt_lowering *l)
{
    const mt_graph *graph = l->session->graph;

    return (guint)l->now + 1 < graph->nodes->len ? graph->nodes->pdata[l->now + 1] : NULL;
}

static bool is_plain_norm(const mt_node *norm, const mt_value *x)
{
    const mt_fused *fused = mt_node_fused(norm);

    if (!mt_is(norm, "BatchNormalization") || mt_node_input(norm, 0) != x || mt_node_output(norm, 1) != NULL || x->rank > 5)
        return false;
    if (mt_node_int(norm, "training_mode", 0) != 0 || (fused != NULL && fused->n != 1))
        return false;
    if (fused != NULL && (fused->posts[0].kind != MT_POST_ACTIVATION || fused->posts[0].activation.function != MT_FN_RELU ||
                          fused->posts[0].activation.alpha != 0))
        return false;
    for (int i = 1; i <= 4; i++)
        if (!mt_is_vector(mt_node_input(norm, i), x->shape[1]) || mt_node_input(norm, i)->rank != 1)
            return false;
    return true;
}

bool mt_concat_waits(mt_lowering *l, const mt_node *concat, GError **error)
{
    mt_graph       *graph = l->session->graph;
    const mt_value *out = mt_node_output(concat, 0);
    const mt_node  *norm = next_node(l);
    int64_t         axis = mt_node_int(concat, "axis", 1), pixels, count = 0;
    part            p;

    axis += axis < 0 ? out->rank : 0;
    if (out->rank < 3 || axis != 1 || norm == NULL || !is_plain_norm(norm, out) || mt_graph_n_uses(graph, out) != 1)
        return false;
    for (guint i = 0; i < concat->inputs->len; i++) {
        const mt_place *place = mt_lower_native(l, mt_node_input(concat, (int)i), error);

        if (place == NULL || !read_part(place, &p, &pixels) || (count > 0 && pixels != count))
            return false;
        count = pixels;
    }
    return true;
}

static void free_concat_norm(void *context)
{
    concat_norm *k = context;

    g_free(k->parts);
    g_free(k);
}

/* (x - mean) / sqrt(variance + epsilon) * gamma + beta as one product and one sum. */
static bool make_numbers(concat_norm *k, mt_lowering *l, const mt_node *norm, GError **error)
{
    double       epsilon = mt_node_float(norm, "epsilon", 1e-5);
    const float *v[5] = {NULL};

    k->scale = mt_alloc(2 * k->channels, sizeof(float), error);
    if (k->scale == NULL)
        return false;
    g_ptr_array_add(l->runtime->packed, k->scale);
    k->shift = k->scale + k->channels;
    for (int i = 1; i <= 4; i++) {
        const mt_place *place = mt_lower_vector(l, mt_node_input(norm, i), error); /* at an aligned address */
        if (place == NULL)
            return false;
        v[i] = place->buffer->data;
    }
    for (int64_t c = 0; c < k->channels; c++) {
        double scale = v[1][c] / sqrt(v[4][c] + epsilon);

        k->scale[c] = (float)scale;
        k->shift[c] = (float)(v[2][c] - v[3][c] * scale);
    }
    return true;
}

/* The result, channels last. */
static mt_place new_result(mt_lowering *l, const mt_value *out)
{
    int64_t strides[MT_MAX_RANK], stride = out->shape[1];

    strides[1] = 1;
    for (int i = out->rank - 1; i >= 2; i--) {
        strides[i] = stride;
        stride *= out->shape[i];
    }
    strides[0] = stride;
    return mt_lower_new(l, mt_lower_md(l, out->rank, out->shape, strides));
}

bool mt_lower_concat_norm(mt_lowering *l, const mt_node *norm, GError **error)
{
    const mt_node *concat = mt_node_input(norm, 0)->producer;
    concat_norm   *k = g_new0(concat_norm, 1);
    mt_step       *step;

    k->n = (int)concat->inputs->len;
    k->parts = g_new0(part, k->n);
    k->channels = mt_node_output(norm, 0)->shape[1];
    k->relu = mt_node_fused(norm) != NULL;
    for (int i = 0; i < k->n; i++) {
        const mt_place *place = mt_lower_native(l, mt_node_input(concat, i), error);

        if (place == NULL || !read_part(place, &k->parts[i], &k->pixels)) {
            free_concat_norm(k);
            return false;
        }
    }
    if (!make_numbers(k, l, norm, error)) {
        free_concat_norm(k);
        return false;
    }
    k->to = new_result(l, mt_node_output(norm, 0));
    step = mt_session_step(l->session, norm->name, "concat_norm", k, free_concat_norm);
    step->run = run_concat_norm;
    for (int i = 0; i < k->n; i++)
        mt_step_reads(l->session, step, k->parts[i].place.buffer);
    mt_step_writes(l->session, step, k->to.buffer);
    mt_lower_put(l, mt_node_output(norm, 0), &k->to);
    return true;
}
