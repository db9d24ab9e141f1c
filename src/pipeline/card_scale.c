#include "src/pipeline/card_scale.h"

#include "src/base/alloc.h"
#include "src/case/volume_crop.h"

bool mt_card_scale(const mt_dense_card *card, const mt_case *c, int threads, mt_volume *v, GError **error)
{
    mt_intensity_facts facts = mt_intensity_facts_of(c);
    int64_t            n = mt_volume_voxels(v);
    uint8_t           *mask = NULL;
    bool               ok = true;

    for (int k = 0; ok && k < card->n_channels; k++) {
        mt_intensity_scheme scheme = card->scheme[k];
        float              *data = v->data + k * n;

        ok = mt_intensity_scheme_fit(&scheme, &facts, error) &&
             (mask != NULL || !mt_intensity_scheme_needs_mask(&scheme) || (mask = mt_volume_nonzero_mask(v, error)) != NULL) &&
             mt_intensity_scheme_apply(&scheme, v, k, mask, threads, error);
        for (int64_t i = 0; ok && (card->mean[k] != 0 || card->std[k] != 1) && i < n; i++)
            data[i] = (data[i] - (float)card->mean[k]) / (float)card->std[k];
    }
    mt_free(mask);
    return ok;
}

bool mt_card_scale_check_slide(const mt_dense_card *card, const mt_case *c, const char *doing, GError **error)
{
    for (int k = 0; k < card->n_channels; k++) {
        mt_scheme_kind kind = card->scheme[k].kind;
        if (kind == MT_SCHEME_NONE || kind == MT_SCHEME_RGB01 || kind == MT_SCHEME_IMAGENET || kind == MT_SCHEME_RANGE)
            continue;
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "%s of %s: a slide is not read whole: network '%s' has to want value=none, rgb01, imagenet or range", doing,
                    mt_case_path(c), card->name);
        return false;
    }
    if (mt_case_channels(c) == card->n_channels)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "%s of %s: network '%s' wants %d channels, the case has %d", doing, mt_case_path(c),
                card->name, card->n_channels, mt_case_channels(c));
    return false;
}

mt_volume *mt_card_volume(const uint8_t *pixels, const int64_t size[3], int channels, GError **error)
{
    mt_volume *v = mt_volume_new(size, channels, error);
    int64_t    n = size[0] * size[1];

    for (int64_t i = 0; v != NULL && i < n; i++)
        for (int k = 0; k < channels; k++)
            v->data[k * n + i] = (float)pixels[i * channels + k];
    return v;
}
