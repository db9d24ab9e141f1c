/* One patch through all folds and mirror images. */
#include "kernels/pixel/half.h"
#include "src/base/alloc.h"
#include "src/encoder/dense_private.h"

#include <math.h>
#include <string.h>

typedef struct fold {
    mt_session *session;
    int64_t     scale[3], edge[3]; /* voxels of the patch per voxel of the output; the output's size */
    bool        half_in, half_out;
    void      **outputs;
} fold;

struct mt_dense_session {
    mt_dense *dense;
    fold      folds[MT_DENSE_MAX_FOLDS];
    int64_t   input_floats, patch, most_output; /* of the patch: voxels; the largest fold's output */
    float    *mirrored;                         /* the input, mirrored; made when it is first wanted */
    float    *output;                           /* of one fold */
    uint16_t *half_input, *half_output;
};

static bool bind_fold(mt_dense_session *s, int i, mt_precision precision, int threads, GError **error)
{
    fold *f = &s->folds[i];

    f->session = mt_dense_take_session(s->dense, i, MT_BACKEND_AUTO, precision, threads, error);
    if (f->session == NULL)
        return false;
    const mt_port *port = mt_session_output(f->session, s->dense->output[i]);
    if (!mt_dense_scale(s->dense, i, port, f->scale, error))
        return false;
    int64_t floats = s->dense->card->n_labels;
    for (int a = 0; a < 3; a++) {
        f->edge[a] = s->dense->card->patch[a] / f->scale[a];
        floats *= f->edge[a];
    }
    f->half_in = mt_model_input(s->dense->models[i], 0)->dtype == MT_F16;
    f->half_out = port->dtype == MT_F16;
    f->outputs = g_new0(void *, mt_model_n_outputs(s->dense->models[i]));
    s->most_output = MAX(s->most_output, floats);
    return true;
}

static bool allocate(mt_dense_session *s, GError **error)
{
    bool half_in = false, half_out = false;

    for (int i = 0; i < s->dense->n_folds; i++) {
        half_in = half_in || s->folds[i].half_in;
        half_out = half_out || s->folds[i].half_out;
    }
    s->output = mt_alloc(s->most_output, sizeof *s->output, error);
    if (s->output == NULL || (half_in && (s->half_input = mt_alloc(s->input_floats, sizeof *s->half_input, error)) == NULL) ||
        (half_out && (s->half_output = mt_alloc(s->most_output, sizeof *s->half_output, error)) == NULL))
        return false;
    for (int i = 0; i < s->dense->n_folds; i++)
        s->folds[i].outputs[s->dense->output[i]] = s->folds[i].half_out ? (void *)s->half_output : (void *)s->output;
    return true;
}

mt_dense_session *mt_dense_session_new(mt_dense *dense, mt_precision precision, int threads, GError **error)
{
    g_autoptr(mt_dense_session) s = g_new0(mt_dense_session, 1);

    s->dense = mt_dense_ref(dense);
    s->patch = mt_dense_patch_voxels(dense);
    s->input_floats = s->patch * mt_dense_inputs(dense);
    for (int i = 0; i < dense->n_folds; i++)
        if (!bind_fold(s, i, precision, threads, error)) {
            g_prefix_error(error, "prepare %s: ", dense->paths[i]);
            return NULL;
        }
    return allocate(s, error) ? g_steal_pointer(&s) : NULL;
}

void mt_dense_session_free(mt_dense_session *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < s->dense->n_folds; i++) {
        mt_kept_sessions_give(s->dense->sessions, s->folds[i].session);
        g_free(s->folds[i].outputs);
    }
    mt_free(s->mirrored);
    mt_free(s->output);
    mt_free(s->half_input);
    mt_free(s->half_output);
    mt_dense_unref(s->dense);
    g_free(s);
}

int64_t mt_dense_session_bytes(const mt_dense_session *s)
{
    int64_t bytes = (s->input_floats + s->most_output) * (int64_t)sizeof(float);

    if (s->half_input != NULL)
        bytes += s->input_floats * (int64_t)sizeof(uint16_t);
    if (s->half_output != NULL)
        bytes += s->most_output * (int64_t)sizeof(uint16_t);
    for (int i = 0; i < s->dense->n_folds; i++)
        bytes += (int64_t)mt_session_bytes(s->folds[i].session);
    return bytes;
}

double mt_dense_session_flop(const mt_dense_session *s)
{
    double flop = 0;

    for (int i = 0; i < s->dense->n_folds; i++)
        flop += mt_session_flop(s->folds[i].session);
    return flop;
}

static void mirror_row(const float *from, int64_t n, bool backwards, float *to)
{
    if (!backwards)
        memcpy(to, from, (size_t)n * sizeof *to);
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = from[n - 1 - i];
}

static void mirror_input(mt_dense_session *s, const float *input, const bool axes[3])
{
    const int64_t *t = s->dense->card->patch;

    for (int64_t c = 0; c < s->input_floats / s->patch; c++)
        for (int64_t z = 0; z < t[2]; z++)
            for (int64_t y = 0; y < t[1]; y++) {
                int64_t from_z = axes[2] ? t[2] - 1 - z : z, from_y = axes[1] ? t[1] - 1 - y : y;

                mirror_row(input + c * s->patch + (from_z * t[1] + from_y) * t[0], t[0], axes[0],
                           s->mirrored + c * s->patch + (z * t[1] + y) * t[0]);
            }
}

static bool run_fold(mt_dense_session *s, int i, const float *input, GError **error)
{
    fold       *f = &s->folds[i];
    const void *inputs[1] = {input};
    int64_t     floats = s->dense->card->n_labels * f->edge[0] * f->edge[1] * f->edge[2];
    int64_t     wrong = -1;

    if (f->half_in) {
        mt_half_from_f32(input, s->input_floats, s->half_input);
        inputs[0] = s->half_input;
    }
    if (!mt_session_run(f->session, inputs, f->outputs, error)) {
        g_prefix_error(error, "run %s: ", s->dense->paths[i]);
        return false;
    }
    if (f->half_out)
        mt_half_to_f32(s->half_output, floats, s->output);
    for (int64_t k = 0; k < floats && wrong < 0; k++)
        if (!isfinite(s->output[k]))
            wrong = k;
    if (wrong < 0)
        return true;
    int64_t label = wrong / (floats / s->dense->card->n_labels);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                "run %s: its output for label '%s' is not a finite number: model and card do not fit these voxels, or the precision is too "
                "low",
                s->dense->paths[i], s->dense->card->labels[label]);
    return false;
}

/* Between which voxels of the output voxel `at` of the patch lies, and how far past the first: half-pixel centres, ends repeated. */
static void between(int64_t at, int64_t scale, int64_t edge, int64_t pair[2], float *share)
{
    double where = ((double)at + 0.5) / (double)scale - 0.5;
    double low = floor(MAX(where, 0));

    pair[0] = MIN((int64_t)low, edge - 1);
    pair[1] = MIN(pair[0] + 1, edge - 1);
    *share = (float)(MAX(where, 0) - low);
}

static void add_row(const float *row, const fold *f, int64_t n, bool backwards, float *sum)
{
    for (int64_t x = 0; x < n; x++) {
        int64_t pair[2];
        float   share;

        between(backwards ? n - 1 - x : x, f->scale[0], f->edge[0], pair, &share);
        sum[x] += row[pair[0]] + (row[pair[1]] - row[pair[0]]) * share;
    }
}

/* A row of the output's grid between its four neighbours in y and z. */
static void mix_rows(const float *map, const fold *f, int64_t y, int64_t z, float *row)
{
    int64_t ys[2], zs[2], width = f->edge[0], height = f->edge[1];
    float   sy, sz;

    between(y, f->scale[1], f->edge[1], ys, &sy);
    between(z, f->scale[2], f->edge[2], zs, &sz);
    const float *a = map + (zs[0] * height + ys[0]) * width, *b = map + (zs[0] * height + ys[1]) * width;
    const float *c = map + (zs[1] * height + ys[0]) * width, *d = map + (zs[1] * height + ys[1]) * width;
    for (int64_t x = 0; x < width; x++) {
        float front = a[x] + (b[x] - a[x]) * sy, back = c[x] + (d[x] - c[x]) * sy;

        row[x] = front + (back - front) * sz;
    }
}

static void add_coarse(const mt_dense_session *s, const fold *f, const bool axes[3], float *sum)
{
    const int64_t    *t = s->dense->card->patch, voxels = f->edge[0] * f->edge[1] * f->edge[2];
    g_autofree float *row = g_new(float, f->edge[0]);

    for (int64_t k = 0; k < s->dense->card->n_labels; k++)
        for (int64_t z = 0; z < t[2]; z++)
            for (int64_t y = 0; y < t[1]; y++) {
                mix_rows(s->output + k * voxels, f, axes[1] ? t[1] - 1 - y : y, axes[2] ? t[2] - 1 - z : z, row);
                add_row(row, f, t[0], axes[0], sum + k * s->patch + (z * t[1] + y) * t[0]);
            }
}

static void add_equal(const mt_dense_session *s, const bool axes[3], float *sum)
{
    const int64_t *t = s->dense->card->patch;

    for (int64_t k = 0; k < s->dense->card->n_labels; k++)
        for (int64_t z = 0; z < t[2]; z++)
            for (int64_t y = 0; y < t[1]; y++) {
                int64_t      from_z = axes[2] ? t[2] - 1 - z : z, from_y = axes[1] ? t[1] - 1 - y : y;
                const float *from = s->output + k * s->patch + (from_z * t[1] + from_y) * t[0];
                float       *to = sum + k * s->patch + (z * t[1] + y) * t[0];

                if (axes[0])
                    for (int64_t x = 0; x < t[0]; x++)
                        to[x] += from[t[0] - 1 - x];
                else
                    for (int64_t x = 0; x < t[0]; x++)
                        to[x] += from[x];
            }
}

/* The patch as it is, or mirrored along `axes`, through one fold; added to the sum at the patch's own orientation. */
static bool add_pass(mt_dense_session *s, int i, const float *input, const bool axes[3], float *sum, GError **error)
{
    const fold *f = &s->folds[i];

    if (!run_fold(s, i, input, error))
        return false;
    if (f->scale[0] == 1 && f->scale[1] == 1 && f->scale[2] == 1)
        add_equal(s, axes, sum);
    else
        add_coarse(s, f, axes, sum);
    return true;
}

bool mt_dense_session_run(mt_dense_session *s, const float *input, const bool mirror[3], float *logits, GError **error)
{
    int64_t floats = s->dense->card->n_labels * s->patch;
    int     passes = 0;
    bool    any = mirror[0] || mirror[1] || mirror[2];

    if (any && s->mirrored == NULL && (s->mirrored = mt_alloc(s->input_floats, sizeof *s->mirrored, error)) == NULL)
        return false;
    memset(logits, 0, (size_t)floats * sizeof *logits);
    for (int set = 0; set < 8; set++) {
        const bool axes[3] = {set & 1, set & 2, set & 4};

        if ((axes[0] && !mirror[0]) || (axes[1] && !mirror[1]) || (axes[2] && !mirror[2]))
            continue;
        if (set != 0)
            mirror_input(s, input, axes);
        for (int i = 0; i < s->dense->n_folds; i++, passes++)
            if (!add_pass(s, i, set != 0 ? s->mirrored : input, axes, logits, error))
                return false;
    }
    for (int64_t k = 0; k < floats && passes > 1; k++)
        logits[k] /= (float)passes;
    return true;
}
