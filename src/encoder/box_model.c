#include "src/encoder/box_model.h"

#include "src/encoder/model_card.h"

#include <string.h>

struct mt_box_model {
    char          *path;
    mt_model      *model;
    mt_dense_card *card;
    int            threads;
    mt_port        input;
    int            outputs[3]; /* of the graph; -1: none */
    mt_session    *session;    /* NULL: the number of boxes follows from the pixels */
};

void mt_box_model_free(mt_box_model *m)
{
    if (m == NULL)
        return;
    g_clear_pointer(&m->session, mt_session_free);
    g_clear_pointer(&m->model, mt_model_unref);
    g_clear_pointer(&m->card, mt_dense_card_free);
    g_free(m->path);
    g_free(m);
}

const mt_dense_card *mt_box_model_card(const mt_box_model *m)
{
    return m->card;
}

const char *mt_box_model_sha256(const mt_box_model *m)
{
    return mt_model_sha256(m->model);
}

/* What a dense card says of the pixels; boxes have no channels of a map. */
static mt_dense_card *read_card(const char *path, GError **error)
{
    g_autofree char *card = mt_model_card_path(path), *text = NULL;
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) cause = NULL;
    gsize bytes;

    if (!g_key_file_load_from_file(file, card, G_KEY_FILE_NONE, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: %s", card, cause->message);
        return NULL;
    }
    g_key_file_remove_group(file, "detect", NULL);
    g_key_file_remove_group(file, "head", NULL);
    g_key_file_set_string(file, "encoder", "labels", "boxes");
    g_key_file_set_string(file, "encoder", "activation", "none");
    text = g_key_file_to_data(file, &bytes, NULL);
    return mt_dense_card_read_text(text, bytes, card, error);
}

static bool find_outputs(mt_box_model *m, const char *const names[3], GError **error)
{
    for (int i = 0; i < 3; i++) {
        m->outputs[i] = names[i] != NULL ? mt_model_find_output(m->model, names[i]) : -1;
        if (names[i] == NULL || m->outputs[i] >= 0)
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load detector %s: the graph has no output '%s'", m->path, names[i]);
        return false;
    }
    return true;
}

/* 3 axes: C H W; 4: N C H W; 5: N C D H W. */
static bool shape_input(mt_box_model *m, GError **error)
{
    const mt_dense_card *card = m->card;
    const mt_port       *wanted = mt_model_input(m->model, 0);
    int                  rank = wanted->rank > 0 ? wanted->rank : card->patch[2] > 1 ? 5 : 4, axes = rank == 5 ? 3 : 2;

    if (mt_model_n_inputs(m->model) != 1 || wanted->dtype != MT_F32 || rank < 3 || rank > 5 || (axes == 2 && card->patch[2] > 1) ||
        card->slices != 1) {
        g_set_error(
            error, MT_ERROR, MT_ERROR_MODEL,
            "load detector %s: one float32 input C x H x W, N x C x H x W or, for a patch of several slices, N x C x D x H x W is wanted, "
            "and a card with slices=1",
            m->path);
        return false;
    }
    m->input = (mt_port){.dtype = MT_F32, .rank = rank};
    for (int i = 0; i < axes; i++)
        m->input.shape[rank - 1 - i] = card->patch[i];
    m->input.shape[rank - 1 - axes] = card->n_channels;
    if (rank > axes + 1)
        m->input.shape[0] = 1;
    return true;
}

static mt_session *bind(mt_box_model *m, mt_tensor *value, GError **error)
{
    const mt_tensor  *values[] = {value};
    mt_session_params params = {.backend = value != NULL ? MT_BACKEND_REFERENCE : MT_BACKEND_AUTO,
                                .precision = MT_PRECISION_FP32,
                                .threads = m->threads,
                                .inputs = &m->input,
                                .n_inputs = 1,
                                .values = value != NULL ? values : NULL};

    return mt_session_new(m->model, &params, error);
}

mt_box_model *mt_box_model_load(const char *path, const char *const names[3], int threads, GError **error)
{
    g_autoptr(mt_box_model) m = g_new0(mt_box_model, 1);

    m->path = g_strdup(path);
    m->threads = MAX(1, threads);
    m->model = mt_model_load(path, error);
    m->card = m->model != NULL ? read_card(path, error) : NULL;
    if (m->card == NULL || !find_outputs(m, names, error) || !shape_input(m, error))
        return NULL;
    m->session = bind(m, NULL, NULL); /* a graph that it cannot be made of for another reason says so at its first patch */
    return g_steal_pointer(&m);
}

static mt_tensor *output_tensor(const mt_box_model *m, const mt_session *session, int i, GError **error)
{
    const mt_port *port = mt_session_output(session, m->outputs[i]);

    return mt_tensor_new(port->dtype, port->rank, port->shape, error);
}

bool mt_box_model_run(mt_box_model *m, const float *patch, mt_tensor *outputs[3], GError **error)
{
    g_autoptr(mt_tensor) value = mt_tensor_new_view(MT_F32, m->input.rank, m->input.shape, (void *)(uintptr_t)patch, NULL);
    mt_session       *session = m->session != NULL ? m->session : bind(m, value, error);
    int               n = mt_model_n_outputs(m->model);
    g_autofree void **raw = g_new0(void *, n);
    const void       *inputs[] = {patch};
    bool              ok = session != NULL;

    memset(outputs, 0, 3 * sizeof *outputs);
    for (int i = 0; ok && i < 3; i++) {
        if (m->outputs[i] < 0)
            continue;
        outputs[i] = output_tensor(m, session, i, error);
        ok = outputs[i] != NULL;
        raw[m->outputs[i]] = ok ? outputs[i]->data : NULL;
    }
    ok = ok && mt_session_run(session, inputs, raw, error);
    if (!ok) {
        g_prefix_error(error, "run detector %s: ", m->path);
        for (int i = 0; i < 3; i++)
            g_clear_pointer(&outputs[i], mt_tensor_unref);
    }
    if (session != m->session)
        mt_session_free(session);
    return ok;
}
