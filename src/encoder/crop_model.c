#include "src/encoder/crop_model.h"

#include "src/encoder/model_card.h"

#include <math.h>

struct mt_crop_model {
    char          *path;
    mt_model      *model;
    mt_dense_card *card;
    mt_session    *session;
};

void mt_crop_model_free(mt_crop_model *m)
{
    if (m == NULL)
        return;
    g_clear_pointer(&m->session, mt_session_free);
    g_clear_pointer(&m->model, mt_model_unref);
    g_clear_pointer(&m->card, mt_dense_card_free);
    g_free(m->path);
    g_free(m);
}

const mt_dense_card *mt_crop_model_card(const mt_crop_model *m)
{
    return m->card;
}

const char *mt_crop_model_sha256(const mt_crop_model *m)
{
    return mt_model_sha256(m->model);
}

static int64_t elements(const mt_port *port)
{
    int64_t n = 1;

    for (int i = 0; i < port->rank; i++)
        n *= port->shape[i];
    return n;
}

/* (1, C, D, H, W), or (1, C, H, W) for a box of one slice; one output with a number for each label. */
static bool bind(mt_crop_model *m, int threads, GError **error)
{
    const mt_dense_card *card = m->card;
    const mt_port       *wanted = mt_model_input(m->model, 0);
    bool                 flat = card->patch[2] == 1 && wanted->rank == 4;
    mt_port              port = {.dtype = MT_F32, .rank = flat ? 4 : 5, .shape = {1, card->n_channels}};
    mt_session_params    params = {
           .backend = MT_BACKEND_AUTO, .precision = MT_PRECISION_FP32, .threads = threads, .inputs = &port, .n_inputs = 1};

    for (int i = 0; i < port.rank - 2; i++)
        port.shape[port.rank - 1 - i] = card->patch[i];
    if (mt_model_n_inputs(m->model) != 1 || wanted->dtype != MT_F32 || card->slices != 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load %s: one float32 input is wanted, and a card with slices=1", m->path);
        return false;
    }
    m->session = mt_session_new(m->model, &params, error);
    if (m->session == NULL)
        return false;
    const mt_port *output = mt_session_output(m->session, 0);
    if (mt_model_n_outputs(m->model) == 1 && output->dtype == MT_F32 && elements(output) == card->n_labels)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load %s: one output with a number for each of the card's %d labels is wanted", m->path,
                card->n_labels);
    return false;
}

mt_crop_model *mt_crop_model_load(const char *path, int threads, GError **error)
{
    g_autoptr(mt_crop_model) m = g_new0(mt_crop_model, 1);
    g_autofree char *card = mt_model_card_path(path);

    m->path = g_strdup(path);
    m->model = mt_model_load(path, error);
    m->card = m->model != NULL ? mt_dense_card_read(card, error) : NULL;
    return m->card != NULL && bind(m, threads, error) ? g_steal_pointer(&m) : NULL;
}

static void apply(mt_dense_activation activation, float *scores, int n)
{
    double sum = 0, largest = -INFINITY;

    for (int i = 0; i < n; i++)
        largest = fmax(largest, (double)scores[i]);
    for (int i = 0; activation == MT_DENSE_SOFTMAX && i < n; i++)
        sum += exp((double)scores[i] - largest);
    for (int i = 0; i < n; i++) {
        if (activation == MT_DENSE_SOFTMAX)
            scores[i] = (float)(exp((double)scores[i] - largest) / sum);
        if (activation == MT_DENSE_SIGMOID)
            scores[i] = (float)(1 / (1 + exp(-(double)scores[i])));
    }
}

bool mt_crop_model_run(mt_crop_model *m, const float *crop, float *scores, GError **error)
{
    const void *inputs[] = {crop};
    void       *outputs[] = {scores};

    if (!mt_session_run(m->session, inputs, outputs, error))
        return false;
    for (int i = 0; i < m->card->n_labels; i++)
        if (!isfinite(scores[i])) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "run %s: an output is not finite", m->path);
            return false;
        }
    apply(m->card->activation, scores, m->card->n_labels);
    return true;
}
