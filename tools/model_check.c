#include "tools/model_check.h"

#include <microtome/error.h>

#include <string.h>

static char *stem_of(const char *path, const char *suffix)
{
    return g_str_has_suffix(path, suffix) ? g_strndup(path, strlen(path) - strlen(suffix)) : NULL;
}

static mt_tensor *read_side(const char *stem, const char *side, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s.%s.npy", stem, side);
    mt_tensor       *tensor = mt_tensor_read_npy(path, error);

    if (tensor == NULL)
        g_prefix_error(error, "check the model: ");
    return tensor;
}

bool mt_model_check(mt_encoder *encoder, const char *model_path, const char *input, int threads, mt_verify_figures *figures, GError **error)
{
    g_autofree char *model = stem_of(model_path, ".onnx");
    g_autofree char *stem = input != NULL ? stem_of(input, ".input.npy") : g_strdup_printf("%s.check", model != NULL ? model : model_path);

    if (stem == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--check %s: X.input.npy is wanted, with the features in X.output.npy beside it",
                    input);
        return false;
    }
    mt_verify_side side = {encoder, MT_BACKEND_AUTO, MT_PRECISION_FP32};
    g_autoptr(mt_tensor) inputs = read_side(stem, "input", error);
    g_autoptr(mt_tensor) wanted = inputs != NULL ? read_side(stem, "output", error) : NULL;
    g_autoptr(mt_tensor) features = wanted != NULL ? mt_verify_encode(&side, inputs, threads, error) : NULL;
    return features != NULL && mt_verify_compare(features, wanted, figures, error);
}

bool mt_model_check_passes(const mt_verify_figures *figures)
{
    return figures->min_cosine >= MT_MODEL_CHECK_COSINE && figures->relative_error <= MT_MODEL_CHECK_ERROR;
}
