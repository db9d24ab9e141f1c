#include "src/case/volume.h"

#include "src/base/alloc.h"

int64_t mt_volume_voxels(const mt_volume *v)
{
    return v->size[0] * v->size[1] * v->size[2];
}

static bool check_size(const int64_t size[3], int channels, GError **error)
{
    int64_t left = INT64_MAX / (int64_t)sizeof(float) / MAX(channels, 1);

    for (int i = 0; i < 3; i++) {
        if (channels < 1 || size[i] < 1 || size[i] > left) {
            g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                        "make a volume of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                        " voxels of %d channels: impossible",
                        size[0], size[1], size[2], channels);
            return false;
        }
        left /= size[i];
    }
    return true;
}

mt_volume *mt_volume_new(const int64_t size[3], int channels, GError **error)
{
    g_autoptr(mt_volume) v = g_new0(mt_volume, 1);

    if (!check_size(size, channels, error))
        return NULL;
    for (int i = 0; i < 3; i++) {
        v->size[i] = size[i];
        v->affine[5 * i] = 1;
    }
    v->affine[15] = 1;
    v->channels = channels;
    v->data = mt_alloc(mt_volume_voxels(v) * channels, sizeof(float), error);
    return v->data != NULL ? g_steal_pointer(&v) : NULL;
}

void mt_volume_free(mt_volume *v)
{
    if (v == NULL)
        return;
    mt_free(v->data);
    g_free(v);
}
