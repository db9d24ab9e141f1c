#include <microtome/verify.h>

#include "src/encoder/card_text.h"
#include "src/encoder/encoder_private.h"

#include <math.h>
#include <string.h>

/* The graph's input without its batch: planes, size, size. */
static bool check_inputs(const mt_encoder *encoder, const mt_tensor *inputs, GError **error)
{
    int64_t planes = encoder->card->channels == MT_CHANNELS_GRAY ? 1 : 3, size = encoder->card->size_px;

    if (inputs->dtype == MT_F32 && inputs->rank == 4 && inputs->shape[0] > 0 && inputs->shape[1] == planes && inputs->shape[2] == size &&
        inputs->shape[3] == size)
        return true;
    g_autofree char *shape = mt_shape_to_string(inputs->rank, inputs->shape);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "encode with %s: the inputs are %s %s: float32 Nx%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT " is wanted",
                encoder->path, mt_dtype_name(inputs->dtype), shape, planes, size, size);
    return false;
}

mt_tensor *mt_verify_encode(const mt_verify_side *side, const mt_tensor *inputs, int threads, GError **error)
{
    if (!check_inputs(side->encoder, inputs, error))
        return NULL;
    int64_t n = inputs->shape[0], floats = mt_tensor_count(inputs) / n, shape[] = {n, mt_encoder_dim(side->encoder)};
    int     batch = mt_encoder_card(side->encoder)->batch;
    g_autoptr(mt_tensor) features = mt_tensor_new(MT_F32, 2, shape, error);
    g_autoptr(mt_encoder_session) session =
        features != NULL ? mt_encoder_session_new(side->encoder, side->backend, side->precision, batch, threads, error) : NULL;

    if (session == NULL)
        return NULL;
    for (int64_t first = 0; first < n; first += batch) {
        int filled = (int)MIN(batch, n - first);
        for (int slot = 0; slot < filled; slot++)
            if (!mt_encoder_session_put_input(session, slot, (const float *)inputs->data + (first + slot) * floats, error))
                return NULL;
        if (!mt_encoder_session_run(session, filled, (float *)features->data + first * shape[1], error))
            return NULL;
    }
    return g_steal_pointer(&features);
}

static bool check_features(const mt_tensor *features, const mt_tensor *reference, GError **error)
{
    if (features->dtype == MT_F32 && reference->dtype == MT_F32 && features->rank == 2 && reference->rank == 2 &&
        features->shape[0] == reference->shape[0] && features->shape[1] == reference->shape[1] && mt_tensor_count(features) > 0)
        return true;
    g_autofree char *ours = mt_shape_to_string(features->rank, features->shape);
    g_autofree char *theirs = mt_shape_to_string(reference->rank, reference->shape);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "compare features: %s %s with %s %s: two float32 N x D of one shape are wanted",
                mt_dtype_name(features->dtype), ours, mt_dtype_name(reference->dtype), theirs);
    return false;
}

/* What the card says of pixels and of pooling; the names of graph ports and the batch may differ. */
static char *contract_text(const mt_encoder *encoder)
{
    mt_card  card = *encoder->card;
    GString *text = g_string_new(NULL);

    card.input = card.output = NULL;
    mt_card_text_put_contract(text, &card);
    g_string_append_printf(text, "features=%" G_GINT64_FORMAT "\n", encoder->dim);
    return g_string_free(text, FALSE);
}

bool mt_verify_agree(const mt_encoder *encoder, const mt_encoder *reference, GError **error)
{
    g_autofree char *ours = contract_text(encoder), *theirs = contract_text(reference);
    g_auto(GStrv) a = g_strsplit(ours, "\n", -1), b = g_strsplit(theirs, "\n", -1);

    for (guint i = 0; a[i] != NULL && b[i] != NULL; i++)
        if (strcmp(a[i], b[i]) != 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "compare %s with %s: one has %s, the other %s", encoder->path, reference->path,
                        a[i], b[i]);
            return false;
        }
    return true;
}

typedef struct row_sums {
    double product, a, b, difference;
} row_sums;

static row_sums sum_row(const float *a, const float *b, int64_t dim)
{
    row_sums s = {0};

    for (int64_t d = 0; d < dim; d++) {
        s.product += (double)a[d] * b[d];
        s.a += (double)a[d] * a[d];
        s.b += (double)b[d] * b[d];
        s.difference += ((double)a[d] - b[d]) * ((double)a[d] - b[d]);
    }
    return s;
}

static double cosine(const row_sums *s)
{
    if (s->a == 0 || s->b == 0)
        return s->a == s->b ? 1 : 0;
    return MIN(1, s->product / (sqrt(s->a) * sqrt(s->b)));
}

/* Sums in the order of the tiles. */
bool mt_verify_compare(const mt_tensor *features, const mt_tensor *reference, mt_verify_figures *figures, GError **error)
{
    *figures = (mt_verify_figures){.min_cosine = INFINITY};
    if (!check_features(features, reference, error))
        return false;
    int64_t dim = features->shape[1];
    double  difference = 0, size = 0, sum = 0;

    figures->tiles = features->shape[0];
    for (int64_t i = 0; i < figures->tiles; i++) {
        row_sums s = sum_row((const float *)features->data + i * dim, (const float *)reference->data + i * dim, dim);
        double   c = cosine(&s);
        if (!isfinite(c) || !isfinite(s.difference)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "compare features: row %" G_GINT64_FORMAT " holds what is not a finite number", i);
            return false;
        }
        if (c < figures->min_cosine)
            figures->worst = i;
        figures->min_cosine = MIN(figures->min_cosine, c);
        sum += c;
        difference += s.difference;
        size += s.b;
    }
    figures->mean_cosine = sum / (double)figures->tiles;
    figures->relative_error = difference == 0 ? 0 : sqrt(difference / size);
    return true;
}

bool mt_verify(const mt_verify_side *side, const mt_verify_side *reference, const mt_tensor *inputs, int threads,
               mt_verify_figures *figures, GError **error)
{
    g_autoptr(mt_tensor) ours = mt_verify_encode(side, inputs, threads, error);
    g_autoptr(mt_tensor) theirs = ours != NULL ? mt_verify_encode(reference, inputs, threads, error) : NULL;

    return theirs != NULL && mt_verify_compare(ours, theirs, figures, error);
}

double mt_verify_limit(mt_precision precision)
{
    static const double limits[] = {[MT_PRECISION_FP32] = 0.99999, [MT_PRECISION_BF16] = 0.9995, [MT_PRECISION_INT8] = 0.99};

    return limits[precision];
}
