#include "src/encoder/card.h"
#include "src/encoder/card_text.h"
#include "src/encoder/demo_resource.h"
#include "src/encoder/encoder_private.h"
#include "src/encoder/model_card.h"

#include <pthread.h>
#include <string.h>

#define BUILTIN "builtin:"

static bool refuse(const mt_encoder *encoder, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static bool refuse(const mt_encoder *encoder, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load %s: %s", encoder->path, text);
    return false;
}

mt_encoder *mt_encoder_ref(mt_encoder *encoder)
{
    g_atomic_int_inc(&encoder->ref_count);
    return encoder;
}

void mt_encoder_unref(mt_encoder *encoder)
{
    if (encoder == NULL || !g_atomic_int_dec_and_test(&encoder->ref_count))
        return;
    mt_kept_sessions_free(encoder->sessions);
    mt_model_unref(encoder->model);
    mt_card_free(encoder->card);
    g_free(encoder->outputs);
    g_free(encoder->dims);
    g_free(encoder->path);
    g_free(encoder);
}

const mt_card *mt_encoder_card(const mt_encoder *encoder)
{
    return encoder->card;
}

mt_model *mt_encoder_model(const mt_encoder *encoder)
{
    return encoder->model;
}

int mt_encoder_raw_shape(const mt_encoder *encoder, int64_t shape[MT_MAX_RANK])
{
    memcpy(shape, encoder->raw_shape, sizeof encoder->raw_shape);
    return encoder->raw_rank;
}

int64_t mt_encoder_dim(const mt_encoder *encoder)
{
    return encoder->dim;
}

char *mt_encoder_card_text(const mt_encoder *encoder)
{
    return mt_card_text_new(encoder->card);
}

static const mt_port *input_port(const mt_encoder *encoder)
{
    return mt_model_input(encoder->model, 0);
}

/* Of the graph's one input: N x C x size x size; *graph_px is its edge, 0 when it takes any. */
static bool check_input(const mt_encoder *encoder, int *graph_px, GError **error)
{
    const mt_card *card = encoder->card;
    const mt_port *port = input_port(encoder);
    int64_t        planes = card->channels == MT_CHANNELS_GRAY ? 1 : 3;

    if (mt_model_n_inputs(encoder->model) != 1)
        return refuse(encoder, error, "the graph has %d inputs: an encoder has one, the pixels", mt_model_n_inputs(encoder->model));
    if (card->input != NULL && strcmp(card->input, port->name) != 0)
        return refuse(encoder, error, "the card says input=%s, but the graph's input is '%s'", card->input, port->name);
    if (port->dtype != MT_F32 && port->dtype != MT_F16)
        return refuse(encoder, error, "input '%s' is %s: float32 or float16 is wanted", port->name, mt_dtype_name(port->dtype));
    g_autofree char *shape = port->rank < 0 ? g_strdup("of unknown shape") : mt_shape_to_string(port->rank, port->shape);
    if (port->rank != -1 && (port->rank != 4 || (port->shape[1] > 0 && port->shape[1] != planes)))
        return refuse(encoder, error, "input '%s' is %s: the card wants N x %d x size x size", port->name, shape, (int)planes);
    int64_t height = port->rank == 4 ? port->shape[2] : -1, width = port->rank == 4 ? port->shape[3] : -1;
    if ((height > 0 && width > 0 && height != width) || MAX(height, width) > G_MAXINT)
        return refuse(encoder, error, "input '%s' is %s: only square inputs are read", port->name, shape);
    *graph_px = (int)MAX(0, MAX(height, width));
    return true;
}

static char *output_names(const mt_encoder *encoder)
{
    GString *names = g_string_new(NULL);

    for (int i = 0; i < mt_model_n_outputs(encoder->model); i++)
        g_string_append_printf(names, "%s%s", i == 0 ? "" : ", ", mt_model_output(encoder->model, i)->name);
    return g_string_free(names, FALSE);
}

static bool choose_output(mt_encoder *encoder, GError **error)
{
    const char *wanted = encoder->card->output;

    encoder->n_outputs = 1;
    encoder->outputs = g_new0(int, 1);
    if (wanted == NULL && mt_model_n_outputs(encoder->model) == 1)
        return true;
    g_autofree char *names = output_names(encoder);
    if (wanted == NULL)
        return refuse(encoder, error, "the graph has the outputs %s: the card has to say output=NAME", names);
    encoder->outputs[0] = mt_model_find_output(encoder->model, wanted);
    if (encoder->outputs[0] < 0)
        return refuse(encoder, error, "the card says output=%s, but the graph has %s", wanted, names);
    return true;
}

static bool choose_outputs(mt_encoder *encoder, const char *const *wanted, GError **error)
{
    if (wanted == NULL)
        return choose_output(encoder, error);
    encoder->n_outputs = (int)g_strv_length((char **)(uintptr_t)wanted);
    encoder->outputs = g_new0(int, encoder->n_outputs);
    for (int i = 0; i < encoder->n_outputs; i++) {
        encoder->outputs[i] = mt_model_find_output(encoder->model, wanted[i]);
        if (encoder->outputs[i] < 0) {
            g_autofree char *names = output_names(encoder);
            return refuse(encoder, error, "output %s is wanted, but the graph has %s", wanted[i], names);
        }
    }
    return true;
}

bool mt_encoder_columns(const mt_encoder *encoder, const char *name, int64_t *first, int64_t *width)
{
    *first = 0;
    for (int i = 0; i < encoder->n_outputs; i++) {
        *width = encoder->dims[i];
        if (strcmp(mt_model_output(encoder->model, encoder->outputs[i])->name, name) == 0)
            return true;
        *first += encoder->dims[i];
    }
    return false;
}

static bool is_bound(const mt_port *port)
{
    bool bound = port->rank >= 0;

    for (int i = 1; i < port->rank; i++)
        bound = bound && port->shape[i] > 0;
    return bound;
}

static mt_port bound_input(const mt_encoder *encoder, int64_t batch)
{
    const mt_card *card = encoder->card;
    mt_port        port = *input_port(encoder);

    port.rank = 4;
    port.shape[0] = encoder->fixed_batch > 0 ? encoder->fixed_batch : batch;
    port.shape[1] = card->channels == MT_CHANNELS_GRAY ? 1 : 3;
    port.shape[2] = port.shape[3] = card->size_px;
    return port;
}

mt_session *mt_encoder_bind(const mt_encoder *encoder, mt_backend backend, mt_precision precision, int64_t batch, int threads,
                            GError **error)
{
    mt_port           port = bound_input(encoder, batch);
    mt_session_params params = {.backend = backend, .precision = precision, .threads = threads, .inputs = &port, .n_inputs = 1};

    return mt_session_new(encoder->model, &params, error);
}

mt_session *mt_encoder_take_session(const mt_encoder *encoder, mt_backend backend, mt_precision precision, int64_t batch, int threads,
                                    GError **error)
{
    mt_port           port = bound_input(encoder, batch);
    mt_session_params params = {.backend = backend, .precision = precision, .threads = threads, .inputs = &port, .n_inputs = 1};

    return mt_kept_sessions_take(encoder->sessions, encoder->model, &params, error);
}

/* The file may leave an output's shape open: then a session tells it, on plain loops, which pack no weights. */
static bool find_dims(mt_encoder *encoder, GError **error)
{
    g_autoptr(mt_session) probe = NULL;

    encoder->dims = g_new0(int64_t, encoder->n_outputs);
    for (int i = 0; i < encoder->n_outputs; i++) {
        const mt_port  *port = mt_model_output(encoder->model, encoder->outputs[i]);
        mt_feature_form form;
        if (!is_bound(port)) {
            if (probe == NULL)
                probe = mt_encoder_bind(encoder, MT_BACKEND_REFERENCE, MT_PRECISION_FP32, 1, 1, error);
            if (probe == NULL) {
                g_prefix_error(error, "load %s: ", encoder->path);
                return false;
            }
            port = mt_session_output(probe, encoder->outputs[i]);
        }
        if (!mt_feature_form_init(&form, encoder, port, error))
            return false;
        encoder->dims[i] = form.dim;
        encoder->dim += form.dim;
        if (form.pool == MT_POOL_RAW) {
            encoder->raw_rank = port->rank - 1;
            memcpy(encoder->raw_shape, port->shape + 1, (size_t)encoder->raw_rank * sizeof *encoder->raw_shape);
        }
    }
    return true;
}

/* Takes over model and card. */
static mt_encoder *finish(const char *path, mt_model *model, mt_card *card, const char *const *outputs, GError **error)
{
    g_autoptr(mt_encoder) encoder = g_new0(mt_encoder, 1);
    g_autofree char *name = mt_model_card_name(path);
    int              graph_px = 0;

    encoder->ref_count = 1;
    encoder->sessions = mt_kept_sessions_new();
    encoder->path = g_strdup(path);
    encoder->model = model;
    encoder->card = card;
    if (!check_input(encoder, &graph_px, error) || !mt_card_complete(card, graph_px, name, error) ||
        !choose_outputs(encoder, outputs, error))
        return NULL;
    encoder->fixed_batch = input_port(encoder)->rank == 4 ? MAX(0, input_port(encoder)->shape[0]) : 0;
    if (encoder->fixed_batch > 256) {
        refuse(encoder, error, "a batch of %" G_GINT64_FORMAT " is fixed in the graph: at most 256 are possible", encoder->fixed_batch);
        return NULL;
    }
    return find_dims(encoder, error) ? g_steal_pointer(&encoder) : NULL;
}

static GResource *builtin_resource; /* written once */

static void find_builtin_resource(void)
{
    builtin_resource = mt_demo_get_resource();
}

/* GLib registers a static resource at its first use, and two threads that come first at once get NULL. */
static GBytes *builtin_file(const char *name, const char *suffix)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    g_autofree char      *path = g_strdup_printf("/microtome/encoders/%s.%s", name, suffix);

    pthread_once(&once, find_builtin_resource);
    return g_resource_lookup_data(builtin_resource, path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
}

static mt_encoder *load_builtin(const char *path, const char *const *outputs, GError **error)
{
    const char *name = path + strlen(BUILTIN);
    g_autoptr(GBytes) onnx = builtin_file(name, "onnx"), text = builtin_file(name, "card");

    if (onnx == NULL || text == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "load %s: no such encoder is built in; " BUILTIN "demo is", path);
        return NULL;
    }
    g_autoptr(mt_model) model = mt_model_load_bytes(onnx, path, error);
    if (model == NULL)
        return NULL;
    mt_card *card = mt_card_read_text(g_bytes_get_data(text, NULL), g_bytes_get_size(text), "builtin", error);
    return card == NULL ? NULL : finish(path, g_steal_pointer(&model), card, outputs, error);
}

mt_encoder *mt_encoder_load(const char *model_path, GError **error)
{
    return mt_encoder_load_outputs(model_path, NULL, error);
}

mt_encoder *mt_encoder_load_outputs(const char *model_path, const char *const *outputs, GError **error)
{
    if (g_str_has_prefix(model_path, BUILTIN))
        return load_builtin(model_path, outputs, error);
    g_autoptr(mt_model) model = mt_model_load(model_path, error);
    if (model == NULL)
        return NULL;
    mt_card *card = mt_model_card_find(model_path, model, error);
    return card == NULL ? NULL : finish(model_path, g_steal_pointer(&model), card, outputs, error);
}
