#include "tiling/sliding.h"

#include "src/base/alloc.h"
#include "src/base/ordered.h"
#include "tiling/window_plan.h"

#include <string.h>

/* Answers that may wait for their turn, beyond one a thread. */
#define SPARE_SLOTS 1
/* A sink gets about so many bytes at once, a slice at least. */
#define SLAB_BYTES (INT64_C(32) << 20)

typedef struct sliding {
    mt_dense                *dense;
    const mt_dense_card     *card;
    const mt_volume         *volume;
    const mt_sliding_params *p;
    mt_window_plan          *plan;
    mt_ordered               ordered;
    int64_t                  windows, answer_floats; /* labels x patch */
    int                      labels, members, inner_threads, n_slots;
    bool                     mirror[3];
    float                  **slots;
    /* a ring of patch[2] slices, each labels + 1 planes: sums of weighted logits, then of weights */
    float  *ring;
    int64_t plane;     /* floats of a plane of the padded volume */
    int64_t next_z;    /* first slice that was not handed on */
    float  *slab;      /* for the sink */
    int64_t slab_most; /* slices of it */
} sliding;

static void clear_sliding(sliding *s)
{
    mt_window_plan_free(s->plan);
    for (int i = 0; s->slots != NULL && i < s->n_slots; i++)
        mt_free(s->slots[i]);
    g_free(s->slots);
    mt_free(s->ring);
    mt_free(s->slab);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(sliding, clear_sliding)

static mt_window_plan *lay(const mt_dense_card *card, const int64_t size[3], const mt_sliding_params *p, GError **error)
{
    mt_window_params params = {.step = p->step > 0 ? p->step : card->step,
                               .rule = card->monai ? MT_WINDOWS_MONAI : MT_WINDOWS_NNUNET,
                               .weight = card->constant ? MT_WEIGHT_CONSTANT : MT_WEIGHT_GAUSSIAN};

    memcpy(params.patch, card->patch, sizeof params.patch);
    return mt_window_plan_new(size, &params, error);
}

/* One alone has all threads inside. */
static void set_members(sliding *s, int members)
{
    s->members = members;
    s->inner_threads = members == 1 ? s->p->threads : 1;
    s->n_slots = members + SPARE_SLOTS;
}

static bool prepare(sliding *s, mt_dense *dense, const int64_t size[3], const mt_sliding_params *p, GError **error)
{
    s->dense = dense;
    s->card = mt_dense_get_card(dense);
    s->p = p;
    if (p->threads < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "slide windows with %d threads: 1 or more", p->threads);
        return false;
    }
    s->plan = lay(s->card, size, p, error);
    if (s->plan == NULL)
        return false;
    s->windows = mt_window_plan_count(s->plan);
    s->labels = s->card->n_labels;
    s->answer_floats = s->labels * mt_dense_patch_voxels(dense);
    /* Fewer windows than threads: one at a time, with all threads inside oneDNN. */
    set_members(s, s->windows < p->threads ? 1 : p->threads);
    for (int a = 0; a < 3; a++)
        s->mirror[a] = p->mirror && s->card->mirror[a];
    s->next_z = s->plan->before[2];
    s->plane = s->plan->padded[0] * s->plan->padded[1];
    s->slab_most = CLAMP(SLAB_BYTES / (s->labels * size[0] * size[1] * (int64_t)sizeof(float)), 1, s->card->patch[2]);
    return true;
}

static int64_t bytes_of(const sliding *s, const mt_dense_session *session)
{
    int64_t floats = s->n_slots * s->answer_floats;
    int64_t input = mt_dense_inputs(s->dense) * mt_dense_patch_voxels(s->dense);
    bool    any = s->mirror[0] || s->mirror[1] || s->mirror[2];

    floats += s->members * input * (any ? 2 : 1) + mt_dense_patch_voxels(s->dense); /* the weights of a window */
    floats += s->card->patch[2] * (s->labels + 1) * s->plane;
    floats += s->labels * s->slab_most * s->plan->size[0] * s->plan->size[1];
    return floats * (int64_t)sizeof(float) + s->members * mt_dense_session_bytes(session);
}

bool mt_sliding_bytes(mt_dense *dense, const int64_t size[3], const mt_sliding_params *params, int64_t *bytes, GError **error)
{
    g_auto(sliding) s = {0};

    if (!prepare(&s, dense, size, params, error))
        return false;
    g_autoptr(mt_dense_session) session = mt_dense_session_new(dense, params->precision, s.inner_threads, error);
    if (session == NULL)
        return false;
    *bytes = bytes_of(&s, session);
    return true;
}

bool mt_sliding_windows(const mt_dense *dense, const int64_t size[3], const mt_sliding_params *params, int64_t *windows, GError **error)
{
    g_autoptr(mt_window_plan) plan = lay(mt_dense_get_card(dense), size, params, error);

    *windows = plan != NULL ? mt_window_plan_count(plan) : 0;
    return plan != NULL;
}

/* One row of a window from one slice of the volume; what lies outside is 0, as nnU-Net pads after normalising. */
static void cut_row(const sliding *s, const float *slice, int64_t x, int64_t y, float *row)
{
    int64_t width = s->plan->size[0], patch = s->plan->patch[0];
    int64_t first = CLAMP(-x, 0, patch), end = CLAMP(width - x, first, patch);

    if (y < 0 || y >= s->plan->size[1])
        first = end = patch;
    memset(row, 0, (size_t)first * sizeof *row);
    if (end > first)
        memcpy(row + first, slice + y * width + x + first, (size_t)(end - first) * sizeof *row);
    memset(row + end, 0, (size_t)(patch - end) * sizeof *row);
}

/* Slice z of a channel; NULL outside.  Where slices are channels, the edge slice is repeated. */
static const float *slice_of(const sliding *s, int channel, int64_t z)
{
    const int64_t *size = s->volume->size;

    if (s->card->slices > 1)
        z = CLAMP(z, 0, size[2] - 1);
    return z < 0 || z >= size[2] ? NULL : s->volume->data + (channel * size[2] + z) * size[0] * size[1];
}

static void cut_window(const sliding *s, int64_t window, float *input)
{
    const int64_t *patch = s->plan->patch;
    int64_t        at[3], x, y;
    int            slices = s->card->slices;

    mt_window_plan_at(s->plan, window, at);
    x = at[0] - s->plan->before[0];
    y = at[1] - s->plan->before[1];
    for (int c = 0; c < mt_dense_inputs(s->dense); c++)
        for (int64_t k = 0; k < patch[2]; k++, input += patch[0] * patch[1]) {
            const float *slice = slice_of(s, c / slices, at[2] - s->plan->before[2] + k + c % slices - slices / 2);

            if (slice == NULL)
                memset(input, 0, (size_t)(patch[0] * patch[1]) * sizeof *input);
            else
                for (int64_t j = 0; j < patch[1]; j++)
                    cut_row(s, slice, x, y + j, input + j * patch[0]);
        }
}

static float *ring_plane(const sliding *s, int64_t z, int channel)
{
    return s->ring + ((z % s->plan->patch[2]) * (s->labels + 1) + channel) * s->plane;
}

/* Slices [z, z + count) of the padded volume to the sink, at its own size, and their place in the ring back to 0. */
static bool hand_on(sliding *s, int64_t z, int64_t count, GError **error)
{
    const mt_window_plan *plan = s->plan;
    int64_t               width = plan->size[0], height = plan->size[1];

    for (int64_t k = 0; k < count; k++) {
        const float *weight = ring_plane(s, z + k, s->labels);

        for (int c = 0; c < s->labels; c++) {
            const float *sum = ring_plane(s, z + k, c);
            float       *out = s->slab + (c * count + k) * width * height;

            for (int64_t y = 0; y < height; y++, out += width) {
                int64_t from = (y + plan->before[1]) * plan->padded[0] + plan->before[0];
                for (int64_t x = 0; x < width; x++)
                    out[x] = sum[from + x] / weight[from + x];
            }
        }
        memset(ring_plane(s, z + k, 0), 0, (size_t)((s->labels + 1) * s->plane) * sizeof(float));
    }
    return s->p->sink(s->p->sink_user, z - plan->before[2], count, s->slab, error);
}

/* All slices before `z` are finished: no window to come touches them.  Padding goes to nobody: it stands before a single window. */
static bool finish_before(sliding *s, int64_t z, GError **error)
{
    int64_t end = MIN(z, s->plan->before[2] + s->plan->size[2]);

    while (s->next_z < end) {
        int64_t count = MIN(s->slab_most, end - s->next_z);

        if (!hand_on(s, s->next_z, count, error))
            return false;
        s->next_z += count;
    }
    return true;
}

static void blend(sliding *s, const int64_t at[3], const float *logits)
{
    const int64_t *patch = s->plan->patch, area = patch[0] * patch[1];

    for (int64_t z = 0; z < patch[2]; z++)
        for (int c = 0; c <= s->labels; c++) {
            float       *plane = ring_plane(s, at[2] + z, c);
            const float *weights = s->plan->weight + z * area, *values = logits + (c * patch[2] + z) * area;

            for (int64_t y = 0; y < patch[1]; y++, weights += patch[0], values += patch[0]) {
                float *row = plane + (at[1] + y) * s->plan->padded[0] + at[0];
                if (c < s->labels)
                    for (int64_t x = 0; x < patch[0]; x++)
                        row[x] += values[x] * weights[x];
                else
                    for (int64_t x = 0; x < patch[0]; x++)
                        row[x] += weights[x];
            }
        }
}

/* In the order of the windows, by one thread at a time. */
static bool take_answer(void *user, int64_t window, GError **error)
{
    sliding *s = user;
    int64_t  at[3];

    mt_window_plan_at(s->plan, window, at);
    if (!finish_before(s, at[2], error))
        return false;
    blend(s, at, s->slots[mt_ordered_slot(&s->ordered, window)]);
    if (s->p->progress != NULL && !s->p->progress(s->p->progress_user, window + 1, s->windows)) {
        g_set_error(error, MT_ERROR, MT_ERROR_STOPPED, "stopped after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " windows", window + 1,
                    s->windows);
        return false;
    }
    return window + 1 < s->windows || finish_before(s, s->plan->padded[2], error);
}

static void work(sliding *s, mt_dense_session *session)
{
    GError *error = NULL;
    float  *input = mt_alloc(mt_dense_inputs(s->dense) * mt_dense_patch_voxels(s->dense), sizeof *input, &error);
    bool    ok = input != NULL;

    for (int64_t window; ok && (window = mt_ordered_take(&s->ordered)) >= 0;) {
        cut_window(s, window, input);
        ok = mt_dense_session_run(session, input, s->mirror, s->slots[mt_ordered_slot(&s->ordered, window)], &error);
        if (ok)
            mt_ordered_deliver(&s->ordered, window);
    }
    mt_free(input);
    if (!ok)
        mt_ordered_fail(&s->ordered, error);
}

/* A thread of the team beyond the first makes a session of its own. */
static void work_alone(sliding *s)
{
    GError *error = NULL;
    g_autoptr(mt_dense_session) session = mt_dense_session_new(s->dense, s->p->precision, 1, &error);

    if (session != NULL)
        work(s, session);
    else
        mt_ordered_fail(&s->ordered, error);
}

static bool run_team(sliding *s, mt_dense_session *first, GError **error)
{
    int started = 0;

    mt_ordered_init(&s->ordered, s->windows, s->n_slots, take_answer, s);
    if (s->members == 1)
        work(s, first); /* outside a parallel region, where oneDNN may use its own team */
    else {
#pragma omp parallel num_threads(s->members)
        {
            if (__atomic_fetch_add(&started, 1, __ATOMIC_RELAXED) == 0)
                work(s, first);
            else
                work_alone(s);
        }
    }
    return mt_ordered_finish(&s->ordered, error);
}

static bool allocate(sliding *s, GError **error)
{
    s->slots = g_new0(float *, s->n_slots);
    for (int i = 0; i < s->n_slots; i++)
        if ((s->slots[i] = mt_alloc(s->answer_floats, sizeof(float), error)) == NULL)
            return false;
    s->ring = mt_alloc(s->plan->patch[2] * (s->labels + 1) * s->plane, sizeof(float), error);
    s->slab = s->ring == NULL ? NULL : mt_alloc(s->labels * s->slab_most * s->plan->size[0] * s->plan->size[1], sizeof(float), error);
    return s->slab != NULL;
}

static bool refuse_limit(const sliding *s, int64_t bytes, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MEMORY,
                "slide %s over %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " voxels: %" G_GINT64_FORMAT
                " MB are wanted, %" G_GINT64_FORMAT " MB are allowed: allow more, or use a network of a smaller patch",
                s->card->name, s->plan->size[0], s->plan->size[1], s->plan->size[2], (bytes + (1 << 20) - 1) >> 20,
                s->p->limit_bytes >> 20);
    return false;
}

/* As many members as the limit allows; one alone gets a session in which all threads work. */
static bool fit_team(sliding *s, mt_dense_session **first, GError **error)
{
    int64_t limit = s->p->limit_bytes > 0 ? s->p->limit_bytes : G_MAXINT64;
    int     wanted = s->members;

    while (s->members > 1 && bytes_of(s, *first) > limit)
        set_members(s, s->members - 1);
    if (wanted > 1 && s->members == 1) {
        g_clear_pointer(first, mt_dense_session_free);
        *first = mt_dense_session_new(s->dense, s->p->precision, s->inner_threads, error);
        if (*first == NULL)
            return false;
    }
    return bytes_of(s, *first) <= limit || refuse_limit(s, bytes_of(s, *first), error);
}

bool mt_sliding_run(mt_dense *dense, const mt_volume *volume, const mt_sliding_params *params, GError **error)
{
    g_auto(sliding) s = {.volume = volume};
    const mt_dense_card *card = mt_dense_get_card(dense);

    if (volume->channels != card->n_channels) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "slide %s: the case has %d channels, the network wants %d", card->name,
                    volume->channels, card->n_channels);
        return false;
    }
    if (!prepare(&s, dense, volume->size, params, error))
        return false;
    g_autoptr(mt_dense_session) first = mt_dense_session_new(dense, params->precision, s.inner_threads, error);
    return first != NULL && fit_team(&s, &first, error) && allocate(&s, error) && run_team(&s, first, error);
}
