#include "mil/distance_attention.h"

#include <math.h>
#include <string.h>

int64_t mt_distance_attention_heads(const mt_state_dict *dict, const char *attention)
{
    for (int64_t heads = 0;; heads++) {
        g_autofree char *key = g_strdup_printf("%s.query_encoders.%" G_GINT64_FORMAT, attention, heads);
        if (!mt_state_dict_has_linear(dict, key))
            return heads;
    }
}

static void copy_scaled(const mt_tensor *from, double scale, mt_tensor *to, int64_t first)
{
    for (int64_t i = 0; i < mt_tensor_count(from); i++)
        ((float *)to->data)[first + i] = (float)(((const float *)from->data)[i] * scale);
}

/* PART.0, PART.1, .. one below the other. */
static bool take_part(mt_state_dict *dict, const char *part, int64_t dim, int64_t heads, double scale, mt_tensor **weight, mt_tensor **bias,
                      GError **error)
{
    int64_t width = dim / heads;

    *weight = mt_tensor_new(MT_F32, 2, (int64_t[]){dim, dim}, error);
    *bias = *weight != NULL ? mt_tensor_new(MT_F32, 1, &dim, error) : NULL;
    for (int64_t k = 0; *bias != NULL && k < heads; k++) {
        g_autofree char *key = g_strdup_printf("%s.%" G_GINT64_FORMAT, part, k);
        g_auto(mt_linear) linear = {0};
        if (!mt_state_dict_take_linear(dict, key, dim, width, NULL, &linear, error))
            return false;
        copy_scaled(linear.weight, scale, *weight, k * width * dim);
        copy_scaled(linear.bias, scale, *bias, k * width);
    }
    return *bias != NULL;
}

static bool take_slope(mt_state_dict *dict, const char *attention, int64_t k, int64_t width, float *slope, GError **error)
{
    g_autofree char *key = g_strdup_printf("%s.attentions.%" G_GINT64_FORMAT, attention, k),
                    *scale_key = g_strconcat(key, ".bias_scale", NULL);
    g_autofree char *mean_key = g_strconcat(key, ".scale_distance.running_mean", NULL);
    g_autofree char *counter = g_strconcat(key, ".scale_distance.items_so_far", NULL);
    const int64_t    one = 1;
    g_autoptr(mt_tensor) scale = mt_state_dict_take_tensor(dict, scale_key, 1, &one, error);
    g_autoptr(mt_tensor) mean = scale != NULL ? mt_state_dict_take_tensor(dict, mean_key, 1, &one, error) : NULL;

    if (mean == NULL)
        return false;
    mt_state_dict_leave_out(dict, counter);
    double um = *(const float *)mean->data, ratio = *(const float *)scale->data / um;
    if (!(um > 0) || fabs(ratio) > (double)G_MAXFLOAT) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "key '%s' is %g: the mean distance of the training tiles, more than 0, is wanted",
                    mean_key, um);
        return false;
    }
    for (int64_t c = 0; c < width; c++)
        slope[c] = (float)ratio;
    return true;
}

bool mt_distance_attention_take(mt_state_dict *dict, const char *attention, int64_t dim, int64_t heads, mt_tensor *weights[3],
                                mt_tensor *biases[3], mt_tensor **slope, GError **error)
{
    static const char *const parts[3] = {"query_encoders", "key_encoders", "value_encoders"};
    int64_t                  width = dim / heads;

    for (int i = 0; i < 3; i++) {
        g_autofree char *part = g_strconcat(attention, ".", parts[i], NULL);
        double           scale = i == 0 ? 1 / sqrt((double)width) : 1;
        if (!take_part(dict, part, dim, heads, scale, &weights[i], &biases[i], error))
            return false;
    }
    *slope = mt_tensor_new(MT_F32, 1, &dim, error);
    for (int64_t k = 0; *slope != NULL && k < heads; k++)
        if (!take_slope(dict, attention, k, width, (float *)(*slope)->data + k * width, error))
            return false;
    return *slope != NULL;
}
