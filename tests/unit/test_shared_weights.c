/* Weights that processes share give the features of weights that each packs for itself, to the bit. */
#include "kernels/onnx/model_private.h"
#include "src/encoder/encoder_private.h"
#include "src/encoder/shared_weights.h"

#include <microtome/engine.h>

#include <string.h>
#include <unistd.h>

#define BATCH 2

static mt_encoder *load(void)
{
    GError     *error = NULL;
    mt_encoder *encoder = mt_encoder_load("builtin:demo", &error);

    g_assert_no_error(error);
    return encoder;
}

static float *features_of(mt_encoder *encoder, mt_precision precision, int batch)
{
    GError *error = NULL;
    g_autoptr(mt_encoder_session) session = mt_encoder_session_new(encoder, MT_BACKEND_AUTO, precision, batch, 1, &error);
    const mt_card    *card = mt_encoder_card(encoder);
    int64_t           n = INT64_C(3) * card->size_px * card->size_px;
    g_autofree float *input = g_new(float, n);
    float            *features = g_new0(float, BATCH *mt_encoder_dim(encoder));
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);

    g_assert_no_error(error);
    for (int slot = 0; slot < BATCH; slot++) {
        for (int64_t i = 0; i < n; i++)
            input[i] = (float)g_rand_double_range(rand, -2, 2);
        g_assert_true(mt_encoder_session_put_input(session, slot, input, &error));
    }
    g_assert_true(mt_encoder_session_run(session, BATCH, features, &error));
    return features;
}

static size_t own_bytes(mt_encoder *encoder)
{
    return mt_compiled_own_bytes(mt_model_compiled(encoder->model, false, NULL));
}

/* With its weights from `fd`, where it comes to share as `wanted` says, `encoder` computes what one by itself does. */
static void check(mt_precision precision, int share_batch, int run_batch, int fd, mt_weights_origin wanted, size_t *own)
{
    g_autoptr(mt_encoder) encoder = load(), alone = load();
    size_t bytes = sizeof(float) * BATCH * (size_t)mt_encoder_dim(alone);

    g_assert_cmpstr(mt_weights_origin_name(mt_encoder_share_weights(encoder, precision, share_batch, fd)), ==,
                    mt_weights_origin_name(wanted));
    g_autofree float *features = features_of(encoder, precision, run_batch), *expected = features_of(alone, precision, run_batch);
    g_assert_cmpmem(features, bytes, expected, bytes);
    *own = own_bytes(encoder);
    g_assert_cmpuint(own_bytes(alone), >, 0);
}

static bool has_backend(void)
{
    bool has = strcmp(mt_engine_backend(), "oneDNN") == 0;

    if (!has)
        g_test_skip("built without oneDNN: nothing is packed");
    return has;
}

static void test_shared(void)
{
    int    fd = mt_weight_store_file();
    size_t own;

    if (!has_backend())
        return;
    for (mt_precision precision = MT_PRECISION_FP32; precision <= MT_PRECISION_BF16; precision++) {
        check(precision, 16, 16, fd, MT_WEIGHTS_FILLED, &own);
        g_assert_cmpuint(own, ==, 0);
        check(precision, 16, 16, fd, MT_WEIGHTS_SHARED, &own);
        g_assert_cmpuint(own, ==, 0);
        check(precision, 16, 2, fd, MT_WEIGHTS_SHARED, &own); /* a case of few tiles */
        close(fd);
        fd = mt_weight_store_file();
    }
    close(fd);
}

/* Another precision, another file, a writer that died: packed anew. */
static void test_own(void)
{
    int    fd = mt_weight_store_file(), torn = mt_weight_store_file();
    size_t own;

    if (!has_backend())
        return;
    check(MT_PRECISION_FP32, 16, 16, fd, MT_WEIGHTS_FILLED, &own);
    check(MT_PRECISION_BF16, 16, 16, fd, MT_WEIGHTS_OWN, &own);
    g_assert_cmpuint(own, >, 0);
    g_assert_cmpint(write(torn, "MTWGHT1\n", 8), ==, 8);
    check(MT_PRECISION_FP32, 16, 16, torn, MT_WEIGHTS_OWN, &own);
    check(MT_PRECISION_FP32, 16, 16, STDERR_FILENO, MT_WEIGHTS_OWN, &own);
    check(MT_PRECISION_FP32, 16, 16, -1, MT_WEIGHTS_OWN, &own);
    close(fd);
    close(torn);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shared-weights/shared", test_shared);
    g_test_add_func("/shared-weights/own", test_own);
    return g_test_run();
}
