/* From what a graph gives to one row of features: as it is, the class token, the mean of tokens, both, or the mean of a map. */
#include "src/encoder/encoder_private.h"

static bool refuse(const mt_encoder *encoder, const mt_port *port, GError **error, const char *what)
{
    g_autofree char *shape = port->rank < 0 ? g_strdup("of unknown shape") : mt_shape_to_string(port->rank, port->shape);

    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load %s: output '%s' is %s: %s", encoder->path, port->name, shape, what);
    return false;
}

/* (N, T, D) */
static bool init_tokens(mt_feature_form *form, const mt_encoder *encoder, const mt_port *port, GError **error)
{
    int prefix = encoder->card->prefix_tokens;

    form->rows = port->shape[1];
    form->columns = port->shape[2];
    if (form->pool == MT_POOL_NONE)
        return refuse(encoder, port, error,
                      "one row for each token: the card has to say how they become one feature, pool=cls, mean or cls+mean, and "
                      "prefix_tokens");
    if (form->pool != MT_POOL_CLS && prefix >= form->rows)
        return refuse(encoder, port, error, "prefix_tokens in the card leaves no token to average");
    if (form->pool == MT_POOL_CLS_MEAN && prefix < 1)
        return refuse(encoder, port, error, "pool=cls+mean needs a class token: prefix_tokens has to be 1 or more");
    form->dim = form->pool == MT_POOL_CLS_MEAN ? 2 * form->columns : form->columns;
    return true;
}

/* (N, D, h, w) */
static bool init_map(mt_feature_form *form, const mt_encoder *encoder, const mt_port *port, GError **error)
{
    form->is_map = true;
    form->rows = form->dim = port->shape[1];
    form->columns = port->shape[2] * port->shape[3];
    if (form->pool == MT_POOL_NONE && form->columns > 1)
        return refuse(encoder, port, error, "a map: the card has to say pool=mean");
    if (form->pool == MT_POOL_CLS || form->pool == MT_POOL_CLS_MEAN)
        return refuse(encoder, port, error, "a map has no class token: the card has to say pool=mean");
    return true;
}

bool mt_feature_form_init(mt_feature_form *form, const mt_encoder *encoder, const mt_port *port, GError **error)
{
    *form = (mt_feature_form){.pool = encoder->card->pool, .rows = 1};
    if (port->dtype != MT_F32 && port->dtype != MT_F16)
        return refuse(encoder, port, error, "features are float32 or float16");
    for (int i = 1; i < port->rank; i++)
        if (port->shape[i] < 1)
            return refuse(encoder, port, error, "an empty feature");
    if (form->pool == MT_POOL_RAW) {
        form->columns = 1;
        for (int i = 1; i < port->rank; i++)
            form->columns *= port->shape[i];
        form->dim = form->columns;
        return port->rank >= 2 || refuse(encoder, port, error, "a batch and more is wanted");
    }
    if (port->rank == 3)
        return init_tokens(form, encoder, port, error);
    if (port->rank == 4)
        return init_map(form, encoder, port, error);
    if (port->rank != 2)
        return refuse(encoder, port, error, "N x D, N x tokens x D or N x D x h x w is wanted");
    form->columns = form->dim = port->shape[1];
    if (form->pool != MT_POOL_NONE)
        return refuse(encoder, port, error, "one row for each tile needs no pooling: the card has to say pool=none");
    return true;
}

/* Sums in float64, in the order of the tokens. */
static void mean_of_tokens(const mt_feature_form *form, int prefix_tokens, const float *output, float *feature)
{
    for (int64_t d = 0; d < form->columns; d++) {
        double sum = 0;
        for (int64_t t = prefix_tokens; t < form->rows; t++)
            sum += output[t * form->columns + d];
        feature[d] = (float)(sum / (double)(form->rows - prefix_tokens));
    }
}

static void mean_of_map(const mt_feature_form *form, const float *output, float *feature)
{
    for (int64_t d = 0; d < form->rows; d++) {
        double sum = 0;
        for (int64_t i = 0; i < form->columns; i++)
            sum += output[d * form->columns + i];
        feature[d] = (float)(sum / (double)form->columns);
    }
}

void mt_feature_form_pool(const mt_feature_form *form, int prefix_tokens, const float *output, float *feature)
{
    if (form->is_map) {
        mean_of_map(form, output, feature);
        return;
    }
    if (form->pool != MT_POOL_MEAN)
        for (int64_t d = 0; d < form->columns; d++)
            *feature++ = output[d];
    if (form->pool == MT_POOL_MEAN || form->pool == MT_POOL_CLS_MEAN)
        mean_of_tokens(form, prefix_tokens, output, feature);
}
