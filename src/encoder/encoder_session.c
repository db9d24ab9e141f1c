/* One batch of an encoder: slots filled one by one, run in as many calls as the graph's own batch asks for. */
#include "kernels/pixel/half.h"
#include "src/base/alloc.h"
#include "src/encoder/encoder_private.h"
#include "src/encoder/preprocess.h"

#include <math.h>
#include <string.h>

/* One output of the graph on its way into the feature row. */
typedef struct feature_part {
    mt_feature_form form;
    int64_t         row_floats;
    float          *output;      /* of one call */
    uint16_t       *half_output; /* where the graph gives halves */
} feature_part;

struct mt_encoder_session {
    mt_encoder    *encoder;
    mt_preprocess *preprocess;
    mt_session    *session;
    feature_part  *parts; /* encoder->n_outputs */
    int            batch;
    int64_t        bound_batch; /* tiles of one call */
    int64_t        slot_floats;
    float         *input;      /* slots, up to a multiple of bound_batch */
    uint16_t      *half_input; /* one call's input where the graph wants halves */
    void         **outputs;    /* NULL but for the chosen ones */
};

static bool check_params(int batch, int threads, GError **error)
{
    if (batch < 1 || batch > 256 || threads < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "make an encoder session of batch %d with %d threads: 1 to 256, and 1 or more", batch,
                    threads);
        return false;
    }
    return true;
}

static bool is_half(const mt_port *port)
{
    return port->dtype == MT_F16;
}

static bool allocate_part(mt_encoder_session *s, int i, GError **error)
{
    feature_part *part = &s->parts[i];
    int           output = s->encoder->outputs[i];

    part->output = mt_alloc(s->bound_batch, sizeof(float) * (size_t)part->row_floats, error);
    if (part->output == NULL)
        return false;
    if (is_half(mt_session_output(s->session, output)) &&
        (part->half_output = mt_alloc(s->bound_batch, sizeof(uint16_t) * (size_t)part->row_floats, error)) == NULL)
        return false;
    s->outputs[output] = part->half_output != NULL ? (void *)part->half_output : (void *)part->output;
    return true;
}

static bool allocate(mt_encoder_session *s, GError **error)
{
    mt_model *model = s->encoder->model;
    int64_t   slots = (s->batch + s->bound_batch - 1) / s->bound_batch * s->bound_batch;

    s->outputs = g_new0(void *, mt_model_n_outputs(model));
    s->input = mt_alloc(slots, sizeof(float) * (size_t)s->slot_floats, error);
    if (s->input == NULL)
        return false;
    if (is_half(mt_model_input(model, 0)) &&
        (s->half_input = mt_alloc(s->bound_batch, sizeof(uint16_t) * (size_t)s->slot_floats, error)) == NULL)
        return false;
    for (int i = 0; i < s->encoder->n_outputs; i++)
        if (!allocate_part(s, i, error))
            return false;
    return true;
}

/* What the file declares and what the bound graph gives have to agree. */
static bool check_output(mt_encoder_session *s, int i, GError **error)
{
    const mt_port *port = mt_session_output(s->session, s->encoder->outputs[i]);
    feature_part  *part = &s->parts[i];

    if (!mt_feature_form_init(&part->form, s->encoder, port, error))
        return false;
    if (port->shape[0] != s->bound_batch || part->form.dim != s->encoder->dims[i]) {
        g_autofree char *shape = mt_shape_to_string(port->rank, port->shape);
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "load %s: output '%s' is %s for a batch of %" G_GINT64_FORMAT ": %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    " is what the file promises",
                    s->encoder->path, port->name, shape, s->bound_batch, s->bound_batch, s->encoder->dims[i]);
        return false;
    }
    part->row_floats = part->form.rows * part->form.columns;
    return true;
}

static bool check_outputs(mt_encoder_session *s, GError **error)
{
    s->parts = g_new0(feature_part, s->encoder->n_outputs);
    for (int i = 0; i < s->encoder->n_outputs; i++)
        if (!check_output(s, i, error))
            return false;
    return true;
}

mt_encoder_session *mt_encoder_session_new(mt_encoder *encoder, mt_backend backend, mt_precision precision, int batch, int threads,
                                           GError **error)
{
    if (!check_params(batch, threads, error))
        return NULL;
    g_autoptr(mt_encoder_session) s = g_new0(mt_encoder_session, 1);
    s->encoder = mt_encoder_ref(encoder);
    s->batch = batch;
    s->bound_batch = encoder->fixed_batch > 0 ? encoder->fixed_batch : batch;
    s->preprocess = mt_preprocess_new(encoder->card);
    s->slot_floats = (int64_t)mt_preprocess_planes(s->preprocess) * encoder->card->size_px * encoder->card->size_px;
    s->session = mt_encoder_take_session(encoder, backend, precision, batch, threads, error);
    if (s->session == NULL || !check_outputs(s, error) || !allocate(s, error))
        return NULL;
    return g_steal_pointer(&s);
}

void mt_encoder_session_free(mt_encoder_session *s)
{
    if (s == NULL)
        return;
    for (int i = 0; s->parts != NULL && i < s->encoder->n_outputs; i++) {
        mt_free(s->parts[i].output);
        mt_free(s->parts[i].half_output);
    }
    mt_kept_sessions_give(s->encoder->sessions, s->session);
    mt_preprocess_free(s->preprocess);
    mt_encoder_unref(s->encoder);
    mt_free(s->input);
    mt_free(s->half_input);
    g_free(s->parts);
    g_free(s->outputs);
    g_free(s);
}

void mt_encoder_session_set_intensity(mt_encoder_session *s, const mt_intensity *intensity)
{
    mt_preprocess_set_intensity(s->preprocess, intensity);
}

static bool check_slot(const mt_encoder_session *s, int slot, GError **error)
{
    if (slot >= 0 && slot < s->batch)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "put a tile into slot %d of a batch of %d", slot, s->batch);
    return false;
}

bool mt_encoder_session_put(mt_encoder_session *s, int slot, const mt_tile_pixels *pixels, GError **error)
{
    return check_slot(s, slot, error) && mt_preprocess_run(s->preprocess, pixels, s->input + slot * s->slot_floats, error);
}

bool mt_encoder_session_put_input(mt_encoder_session *s, int slot, const float *input, GError **error)
{
    if (!check_slot(s, slot, error))
        return false;
    memcpy(s->input + slot * s->slot_floats, input, (size_t)s->slot_floats * sizeof *input);
    return true;
}

static bool run_call(mt_encoder_session *s, const float *input, GError **error)
{
    const void *inputs[1] = {input};

    if (s->half_input != NULL) {
        mt_half_from_f32(input, s->bound_batch * s->slot_floats, s->half_input);
        inputs[0] = s->half_input;
    }
    if (!mt_session_run(s->session, inputs, s->outputs, error)) {
        g_prefix_error(error, "encode with %s: ", s->encoder->path);
        return false;
    }
    for (int i = 0; i < s->encoder->n_outputs; i++)
        if (s->parts[i].half_output != NULL)
            mt_half_to_f32(s->parts[i].half_output, s->bound_batch * s->parts[i].row_floats, s->parts[i].output);
    return true;
}

/* The slot's row: the features of the outputs, one behind the other. */
static void pool_row(const mt_encoder_session *s, int64_t of_call, float *row)
{
    for (int i = 0; i < s->encoder->n_outputs; i++) {
        const feature_part *part = &s->parts[i];
        mt_feature_form_pool(&part->form, s->encoder->card->prefix_tokens, part->output + of_call * part->row_floats, row);
        row += part->form.dim;
    }
}

static bool check_row(const mt_encoder_session *s, int64_t slot, const float *row, GError **error)
{
    for (int64_t d = 0; d < s->encoder->dim; d++)
        if (!isfinite(row[d])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                        "encode with %s: feature %" G_GINT64_FORMAT " of slot %" G_GINT64_FORMAT
                        " is not a finite number: model and card do not fit these pixels, or the precision is too low",
                        s->encoder->path, d, slot);
            return false;
        }
    return true;
}

const float *mt_encoder_session_input(const mt_encoder_session *s, int slot)
{
    return s->input + slot * s->slot_floats;
}

bool mt_encoder_session_run(mt_encoder_session *s, int n, float *features, GError **error)
{
    if (n < 1 || n > s->batch) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "encode %d tiles in a batch of %d", n, s->batch);
        return false;
    }
    for (int64_t first = 0; first < n; first += s->bound_batch) {
        if (!run_call(s, s->input + first * s->slot_floats, error))
            return false;
        for (int64_t slot = first; slot < MIN(n, first + s->bound_batch); slot++) {
            float *row = features + slot * s->encoder->dim;
            pool_row(s, slot - first, row);
            if (!check_row(s, slot, row, error))
                return false;
        }
    }
    return true;
}
