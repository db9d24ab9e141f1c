#include "tiling/segmenter_private.h"

#include "src/encoder/model_card.h"

#include <string.h>

void mt_segmenter_refuse(const mt_segmenter *s, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load the segmentation network %s: %s", s->path, text);
}

static bool is_float(const mt_port *port)
{
    return port->dtype == MT_F32 || port->dtype == MT_F16;
}

static bool check_input(const mt_segmenter *s, GError **error)
{
    const mt_card *card = s->card->pixels;
    const mt_port *port = mt_model_input(s->model, 0);
    int64_t        planes = card->channels == MT_CHANNELS_GRAY ? 1 : 3;
    const int64_t  wanted[4] = {1, planes, card->size_px, card->size_px};

    if (mt_model_n_inputs(s->model) != 1)
        mt_segmenter_refuse(s, error, "it has %d inputs: one is wanted", mt_model_n_inputs(s->model));
    else if (card->input != NULL && strcmp(card->input, port->name) != 0)
        mt_segmenter_refuse(s, error, "its input is '%s', and the card says input=%s", port->name, card->input);
    else if (!is_float(port) || (port->rank != -1 && port->rank != 4))
        mt_segmenter_refuse(s, error, "its input '%s' is no image of float32 or float16 with 4 dimensions", port->name);
    else {
        for (int i = 0; port->rank == 4 && i < 4; i++)
            if (port->shape[i] >= 0 && port->shape[i] != wanted[i]) {
                g_autofree char *is = mt_shape_to_string(4, port->shape), *want = mt_shape_to_string(4, wanted);
                mt_segmenter_refuse(s, error, "its input '%s' is %s, and the card wants %s", port->name, is, want);
                return false;
            }
        return true;
    }
    return false;
}

static bool choose_output(mt_segmenter *s, GError **error)
{
    const char *name = s->card->pixels->output;

    s->output = name != NULL ? mt_model_find_output(s->model, name) : 0;
    if (s->output < 0)
        mt_segmenter_refuse(s, error, "it has no output '%s', which the card names", name);
    else if (name == NULL && mt_model_n_outputs(s->model) != 1)
        mt_segmenter_refuse(s, error, "it has %d outputs: name one in the card, output=", mt_model_n_outputs(s->model));
    else
        return true;
    return false;
}

mt_session *mt_segmenter_bind(const mt_segmenter *s, mt_backend backend, GError **error)
{
    const mt_card    *card = s->card->pixels;
    mt_port           port = *mt_model_input(s->model, 0);
    mt_session_params params = {.backend = backend, .threads = 1, .inputs = &port, .n_inputs = 1};

    port.rank = 4;
    port.shape[0] = 1;
    port.shape[1] = card->channels == MT_CHANNELS_GRAY ? 1 : 3;
    port.shape[2] = port.shape[3] = card->size_px;
    return mt_session_new(s->model, &params, error);
}

/* Channels x height x width, the image's size or a whole part of it; bound on plain loops, which pack no weights. */
static bool check_output(mt_segmenter *s, GError **error)
{
    g_autoptr(mt_session) probe = mt_segmenter_bind(s, MT_BACKEND_REFERENCE, error);
    int64_t size = s->card->pixels->size_px;

    if (probe == NULL) {
        g_prefix_error(error, "load the segmentation network %s: ", s->path);
        return false;
    }
    const mt_port *port = mt_session_output(probe, s->output);
    bool           ok = is_float(port) && (port->rank == 4 || port->rank == 3) && port->shape[0] == 1;
    s->out_height = ok ? port->shape[port->rank - 2] : 0;
    s->out_width = ok ? port->shape[port->rank - 1] : 0;
    if (!ok || s->out_height < 1 || s->out_width < 1 || size % s->out_height != 0 || size % s->out_width != 0) {
        g_autofree char *shape = mt_shape_to_string(port->rank, port->shape);
        mt_segmenter_refuse(
            s, error,
            "its output '%s' is %s of %s: classes x height x width in float32 or float16 are wanted, height and width %d or "
            "a whole part of it",
            port->name, shape, mt_dtype_name(port->dtype), (int)size);
        return false;
    }
    return mt_segmenter_card_fit(s->card, port->rank == 4 ? port->shape[1] : 1, error);
}

mt_segmenter *mt_segmenter_load(const char *path, GError **error)
{
    g_autoptr(mt_segmenter) s = g_new0(mt_segmenter, 1);
    g_autofree char *card = mt_model_card_path(path);

    s->path = g_strdup(path);
    s->workers = g_ptr_array_new_with_free_func((GDestroyNotify)mt_segmenter_worker_free);
    s->model = mt_model_load(path, error);
    if (s->model == NULL)
        return NULL;
    s->card = mt_segmenter_card_read(card, error);
    if (s->card == NULL || !check_input(s, error) || !choose_output(s, error) || !check_output(s, error))
        return NULL;
    return g_steal_pointer(&s);
}

void mt_segmenter_free(mt_segmenter *segmenter)
{
    if (segmenter == NULL)
        return;
    g_clear_pointer(&segmenter->workers, g_ptr_array_unref);
    g_clear_pointer(&segmenter->model, mt_model_unref);
    mt_segmenter_card_free(segmenter->card);
    g_free(segmenter->path);
    g_free(segmenter);
}

const char *mt_segmenter_sha256(const mt_segmenter *segmenter)
{
    return mt_model_sha256(segmenter->model);
}

const mt_segmenter_card *mt_segmenter_get_card(const mt_segmenter *segmenter)
{
    return segmenter->card;
}
