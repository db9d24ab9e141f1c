#include "src/encoder/dense_private.h"
#include "src/encoder/model_card.h"

#include <string.h>

static bool refuse(const char *path, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool refuse(const char *path, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load %s: %s", path, text);
    return false;
}

mt_dense *mt_dense_ref(mt_dense *dense)
{
    g_atomic_int_inc(&dense->ref_count);
    return dense;
}

void mt_dense_unref(mt_dense *dense)
{
    if (dense == NULL || !g_atomic_int_dec_and_test(&dense->ref_count))
        return;
    mt_kept_sessions_free(dense->sessions);
    for (int i = 0; i < dense->n_folds; i++) {
        mt_model_unref(dense->models[i]);
        g_free(dense->paths[i]);
    }
    mt_dense_card_free(dense->card);
    g_free(dense);
}

const mt_dense_card *mt_dense_get_card(const mt_dense *dense)
{
    return dense->card;
}

int mt_dense_n_folds(const mt_dense *dense)
{
    return dense->n_folds;
}

mt_model *mt_dense_model(const mt_dense *dense, int fold)
{
    return dense->models[fold];
}

const char *mt_dense_path(const mt_dense *dense, int fold)
{
    return dense->paths[fold];
}

int mt_dense_inputs(const mt_dense *dense)
{
    return dense->card->n_channels * dense->card->slices;
}

int64_t mt_dense_patch_voxels(const mt_dense *dense)
{
    const int64_t *t = dense->card->patch;

    return t[0] * t[1] * t[2];
}

bool mt_dense_is_verified(const mt_dense *dense, mt_precision precision)
{
    const char *const *verified = (const char *const *)dense->card->verified;

    return precision == MT_PRECISION_FP32 || (verified != NULL && g_strv_contains(verified, mt_precision_name(precision)));
}

int mt_dense_rank(const mt_dense *dense, int fold)
{
    int rank = mt_model_input(dense->models[fold], 0)->rank;

    return rank >= 0 ? rank : dense->card->patch[2] > 1 ? 5 : 4;
}

/* One input, N x C x D x H x W or N x C x H x W, that takes the card's channels and patch. */
static bool check_input(const mt_dense *dense, int fold, GError **error)
{
    const mt_dense_card *card = dense->card;
    const mt_model      *model = dense->models[fold];
    const mt_port       *port = mt_model_input(model, 0);
    const char          *path = dense->paths[fold];
    int                  rank = mt_dense_rank(dense, fold), inputs = mt_dense_inputs(dense);

    if (mt_model_n_inputs(model) != 1)
        return refuse(path, error, "the graph has %d inputs: a dense network has one, the patch", mt_model_n_inputs(model));
    if (card->input != NULL && strcmp(card->input, port->name) != 0)
        return refuse(path, error, "the card says input=%s, but the graph's input is '%s'", card->input, port->name);
    if (port->dtype != MT_F32 && port->dtype != MT_F16)
        return refuse(path, error, "input '%s' is %s: float32 or float16 is wanted", port->name, mt_dtype_name(port->dtype));
    g_autofree char *shape = port->rank < 0 ? g_strdup("of unknown shape") : mt_shape_to_string(port->rank, port->shape);
    if ((rank != 4 && rank != 5) || (rank == 4 && card->patch[2] > 1))
        return refuse(path, error, "input '%s' is %s: N x C x %sH x W is wanted for the card's patch of %" G_GINT64_FORMAT " slices",
                      port->name, shape, card->patch[2] > 1 ? "D x " : "", card->patch[2]);
    if (port->rank < 0)
        return true;
    if (port->shape[0] > 1)
        return refuse(path, error, "input '%s' is %s: a batch of 1 is wanted, or one left open", port->name, shape);
    if (port->shape[1] > 0 && port->shape[1] != inputs)
        return refuse(path, error, "input '%s' is %s, but the card has %d channels of %d slices: %d are wanted", port->name, shape,
                      card->n_channels, card->slices, inputs);
    for (int a = 0; a < rank - 2; a++)
        if (port->shape[rank - 1 - a] > 0 && port->shape[rank - 1 - a] != card->patch[a])
            return refuse(path, error,
                          "input '%s' is %s, but the card's patch is %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT
                          " (size_px, x first)",
                          port->name, shape, card->patch[0], card->patch[1], card->patch[2]);
    return true;
}

static bool choose_output(mt_dense *dense, int fold, GError **error)
{
    const mt_model *model = dense->models[fold];
    const char     *wanted = dense->card->output;
    g_autoptr(GString) names = g_string_new(NULL);

    if (wanted == NULL && mt_model_n_outputs(model) == 1)
        return true;
    for (int i = 0; i < mt_model_n_outputs(model); i++)
        g_string_append_printf(names, "%s%s", i == 0 ? "" : ", ", mt_model_output(model, i)->name);
    if (wanted == NULL)
        return refuse(dense->paths[fold], error, "the graph has the outputs %s: the card has to say output=NAME", names->str);
    dense->output[fold] = mt_model_find_output(model, wanted);
    return dense->output[fold] >= 0 ||
           refuse(dense->paths[fold], error, "the card says output=%s, but the graph has %s", wanted, names->str);
}

bool mt_dense_scale(const mt_dense *dense, int fold, const mt_port *port, int64_t scale[3], GError **error)
{
    const mt_dense_card *card = dense->card;
    int                  rank = mt_dense_rank(dense, fold);
    g_autofree char     *shape = mt_shape_to_string(MAX(0, port->rank), port->shape);

    if (port->dtype != MT_F32 && port->dtype != MT_F16)
        return refuse(dense->paths[fold], error, "output '%s' is %s: float32 or float16 is wanted", port->name, mt_dtype_name(port->dtype));
    if (port->rank != rank || port->shape[0] != 1)
        return refuse(dense->paths[fold], error, "output '%s' is %s: a map of the patch is wanted, as many axes as the input", port->name,
                      shape);
    if (port->shape[1] != card->n_labels)
        return refuse(dense->paths[fold], error, "output '%s' is %s: %" G_GINT64_FORMAT " channels, but the card has %d labels", port->name,
                      shape, port->shape[1], card->n_labels);
    for (int a = 0; a < 3; a++) {
        int64_t edge = a < rank - 2 ? port->shape[rank - 1 - a] : 1;

        scale[a] = edge > 0 ? card->patch[a] / edge : 0;
        if (scale[a] < 1 || scale[a] * edge != card->patch[a])
            return refuse(dense->paths[fold], error,
                          "output '%s' is %s: the patch of %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT
                          " (x first), or a whole fraction of it, is wanted",
                          port->name, shape, card->patch[0], card->patch[1], card->patch[2]);
    }
    return true;
}

mt_session *mt_dense_take_session(const mt_dense *dense, int fold, mt_backend backend, mt_precision precision, int threads, GError **error)
{
    mt_port           port = *mt_model_input(dense->models[fold], 0);
    mt_session_params params = {.backend = backend, .precision = precision, .threads = threads, .inputs = &port, .n_inputs = 1};

    port.rank = mt_dense_rank(dense, fold);
    port.shape[0] = 1;
    port.shape[1] = mt_dense_inputs(dense);
    for (int a = 0; a < port.rank - 2; a++)
        port.shape[port.rank - 1 - a] = dense->card->patch[a];
    return mt_kept_sessions_take(dense->sessions, dense->models[fold], &params, error);
}

/* What the file says of its output already; the rest is found when a session is made. */
static bool check_output(const mt_dense *dense, int fold, GError **error)
{
    const mt_port *port = mt_model_output(dense->models[fold], dense->output[fold]);
    mt_port        bound = *port;
    int64_t        scale[3];

    if (port->rank < 0)
        return true;
    if (bound.shape[0] < 0)
        bound.shape[0] = 1;
    if (port->rank > 1 && bound.shape[1] < 0)
        bound.shape[1] = dense->card->n_labels;
    for (int i = 2; i < port->rank; i++)
        if (bound.shape[i] < 0 && port->rank == mt_dense_rank(dense, fold))
            bound.shape[i] = dense->card->patch[port->rank - 1 - i];
    return mt_dense_scale(dense, fold, &bound, scale, error);
}

mt_dense *mt_dense_load_folds(const char *const *paths, int n, mt_dense_card *card, GError **error)
{
    g_autoptr(mt_dense) dense = g_new0(mt_dense, 1);

    dense->ref_count = 1;
    dense->sessions = mt_kept_sessions_new();
    dense->card = card;
    if (n < 1 || n > MT_DENSE_MAX_FOLDS) {
        refuse(n > 0 ? paths[0] : card->source, error, "%d folds: 1 to %d are possible", n, MT_DENSE_MAX_FOLDS);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        mt_model *model = mt_model_load(paths[i], error);

        if (model == NULL)
            return NULL;
        dense->models[i] = model;
        dense->paths[i] = g_strdup(paths[i]);
        dense->n_folds = i + 1;
        if (!check_input(dense, i, error) || !choose_output(dense, i, error) || !check_output(dense, i, error))
            return NULL;
    }
    if (card->name == NULL || *card->name == '\0') {
        g_free(card->name);
        card->name = mt_model_card_name(paths[0]);
    }
    return g_steal_pointer(&dense);
}

mt_dense *mt_dense_load(const char *model_path, GError **error)
{
    g_autofree char *card_path = mt_model_card_path(model_path);
    mt_dense_card   *card = mt_dense_card_read(card_path, error);

    return card != NULL ? mt_dense_load_folds(&model_path, 1, card, error) : NULL;
}
