/* Marugoto's attention MIL: h = relu(encoder.0 x), s = attention.2(tanh(attention.0 h)), M = sum of softmax(s) h,
 * logits = head.3(batch norm head.1 of M).  The batch norm of a finished model is a scale and a shift of M: it is folded into head.3.
 * Keys: encoder.0, attention.0, attention.2, head.1 (weight, bias, running_mean, running_var), head.3. */
#include "mil/aggregator.h"
#include "mil/attention_pool.h"

#include <math.h>

#define NORM_EPSILON 1e-5 /* PyTorch's */

static const char *const norm_keys[] = {"head.1.weight", "head.1.bias", "head.1.running_mean", "head.1.running_var"};

static bool recognise(const mt_state_dict *dict)
{
    return mt_state_dict_has_linear(dict, "encoder.0") && mt_state_dict_has_linear(dict, "attention.2") &&
           mt_state_dict_find(dict, "head.1.running_mean") != NULL;
}

static bool check_variance(const mt_tensor *variance, GError **error)
{
    for (int64_t j = 0; j < variance->shape[0]; j++)
        if (!(((const float *)variance->data)[j] >= 0)) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "key 'head.1.running_var' has %g at %" G_GINT64_FORMAT ": a variance is 0 or more",
                        (double)((const float *)variance->data)[j], j);
            return false;
        }
    return true;
}

static void fold(mt_linear *linear, mt_tensor *const *norm)
{
    const float *gain = norm[0]->data, *shift = norm[1]->data, *mean = norm[2]->data, *variance = norm[3]->data;

    for (int64_t c = 0; c < linear->out; c++) {
        float *row = (float *)linear->weight->data + c * linear->in, *bias = (float *)linear->bias->data + c;
        double sum = *bias;
        for (int64_t j = 0; j < linear->in; j++) {
            double scale = gain[j] / sqrt(variance[j] + NORM_EPSILON);
            sum += row[j] * (shift[j] - mean[j] * scale);
            row[j] = (float)(row[j] * scale);
        }
        *bias = (float)sum;
    }
}

static bool fold_norm(mt_state_dict *dict, mt_attention_layers *layers, GError **error)
{
    mt_tensor *norm[4] = {NULL};
    int64_t    width = mt_attention_layers_hidden(layers);
    bool       ok = true;

    for (int i = 0; ok && i < 4; i++)
        ok = (norm[i] = mt_state_dict_take_tensor(dict, norm_keys[i], 1, &width, error)) != NULL;
    ok = ok && check_variance(norm[3], error);
    if (ok)
        fold(&layers->classifier, norm);
    for (int i = 0; i < 4; i++)
        g_clear_pointer(&norm[i], mt_tensor_unref);
    return ok;
}

static void *build(mt_state_dict *dict, mt_aggregator_shape *shape, GError **error)
{
    g_auto(mt_attention_layers) layers = {0};

    if (!mt_attention_layers_take(dict, "encoder.0", "attention.0", NULL, "attention.2", &layers, error) ||
        !mt_attention_layers_one_branch(&layers, "marugoto", error) ||
        !mt_attention_layers_take_classifier(dict, "head.3", &layers, error) || !fold_norm(dict, &layers, error) ||
        !mt_state_dict_check_used(dict, "marugoto", error))
        return NULL;
    return mt_attention_pool_new(&layers, shape, error);
}

const mt_aggregator mt_aggregator_marugoto = {"marugoto", recognise, build, mt_attention_pool_predict, mt_attention_pool_free};
