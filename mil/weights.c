#include "mil/weights.h"

#include "mil/safetensors.h"
#include "mil/torch_checkpoint.h"

/* One of the two. */
struct mt_weights {
    mt_safetensors      *plain;
    mt_torch_checkpoint *torch;
    GHashTable          *no_metadata;
};

static bool has_extension(const char *path, const char *extension)
{
    g_autofree char *lower = g_ascii_strdown(path, -1);

    return g_str_has_suffix(lower, extension);
}

static bool is_torch_name(const char *path)
{
    return has_extension(path, ".pt") || has_extension(path, ".pth") || has_extension(path, ".ckpt");
}

bool mt_weights_is_name(const char *path)
{
    return has_extension(path, ".safetensors") || is_torch_name(path);
}

mt_weights *mt_weights_open(const char *path, GError **error)
{
    g_autoptr(mt_weights) weights = g_new0(mt_weights, 1);

    if (is_torch_name(path)) {
        weights->torch = mt_torch_checkpoint_open(path, error);
        weights->no_metadata = g_hash_table_new(g_str_hash, g_str_equal);
    } else {
        weights->plain = mt_safetensors_open(path, error);
    }
    return weights->plain != NULL || weights->torch != NULL ? g_steal_pointer(&weights) : NULL;
}

void mt_weights_free(mt_weights *weights)
{
    if (weights == NULL)
        return;
    mt_safetensors_free(weights->plain);
    mt_torch_checkpoint_free(weights->torch);
    g_clear_pointer(&weights->no_metadata, g_hash_table_unref);
    g_free(weights);
}

int mt_weights_n(const mt_weights *weights)
{
    return weights->plain != NULL ? mt_safetensors_n(weights->plain) : mt_torch_checkpoint_n(weights->torch);
}

const mt_weight *mt_weights_get(const mt_weights *weights, int i)
{
    return weights->plain != NULL ? mt_safetensors_get(weights->plain, i) : mt_torch_checkpoint_get(weights->torch, i);
}

GHashTable *mt_weights_metadata(const mt_weights *weights)
{
    return weights->plain != NULL ? mt_safetensors_metadata(weights->plain) : weights->no_metadata;
}

int mt_weights_heads(const mt_weights *weights)
{
    return weights->plain != NULL ? 0 : mt_torch_checkpoint_heads(weights->torch);
}

const char *mt_weights_skipped(const mt_weights *weights)
{
    return weights->plain != NULL ? NULL : mt_torch_checkpoint_skipped(weights->torch);
}

mt_tensor *mt_weights_read(const mt_weights *weights, const mt_weight *weight, GError **error)
{
    return weights->plain != NULL ? mt_safetensors_read(weights->plain, weight, error)
                                  : mt_torch_checkpoint_read(weights->torch, weight, error);
}
