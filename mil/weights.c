#include "mil/weights.h"

#include "mil/safetensors.h"

struct mt_weights {
    mt_safetensors *plain;
};

static bool has_extension(const char *path, const char *extension)
{
    g_autofree char *lower = g_ascii_strdown(path, -1);

    return g_str_has_suffix(lower, extension);
}

bool mt_weights_is_name(const char *path)
{
    return has_extension(path, ".safetensors");
}

mt_weights *mt_weights_open(const char *path, GError **error)
{
    g_autoptr(mt_weights) weights = g_new0(mt_weights, 1);

    weights->plain = mt_safetensors_open(path, error);
    return weights->plain != NULL ? g_steal_pointer(&weights) : NULL;
}

void mt_weights_free(mt_weights *weights)
{
    if (weights == NULL)
        return;
    mt_safetensors_free(weights->plain);
    g_free(weights);
}

int mt_weights_n(const mt_weights *weights)
{
    return mt_safetensors_n(weights->plain);
}

const mt_weight *mt_weights_get(const mt_weights *weights, int i)
{
    return mt_safetensors_get(weights->plain, i);
}

GHashTable *mt_weights_metadata(const mt_weights *weights)
{
    return mt_safetensors_metadata(weights->plain);
}

const char *mt_weights_skipped(G_GNUC_UNUSED const mt_weights *weights)
{
    return NULL;
}

mt_tensor *mt_weights_read(const mt_weights *weights, const mt_weight *weight, GError **error)
{
    return mt_safetensors_read(weights->plain, weight, error);
}
