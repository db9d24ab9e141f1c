#include "src/pipeline/dense_scaling.h"

#include "src/base/alloc.h"
#include "src/case/volume_crop.h"

static void standardise(float mean, float std, float *values, int64_t n, int threads)
{
#pragma omp parallel for num_threads(threads)
    for (int64_t i = 0; i < n; i++)
        values[i] = (values[i] - mean) / std;
}

bool mt_dense_scaling_check(const mt_case *c, const mt_dense_card *card, GError **error)
{
    mt_intensity_facts facts = mt_intensity_facts_of(c);

    if (mt_case_channels(c) != card->n_channels) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "prepare %s: network '%s' wants %d channel%s, the case has %d", mt_case_path(c),
                    card->name, card->n_channels, card->n_channels == 1 ? "" : "s", mt_case_channels(c));
        return false;
    }
    for (int k = 0; k < card->n_channels; k++) {
        mt_intensity_scheme scheme = card->scheme[k];
        if (!mt_intensity_scheme_fit(&scheme, &facts, error))
            return false;
    }
    return true;
}

bool mt_dense_scaling_apply(const mt_case *c, const mt_dense_card *card, mt_volume *volume, int threads, GError **error)
{
    mt_intensity_facts facts = mt_intensity_facts_of(c);
    int64_t            n = mt_volume_voxels(volume);
    uint8_t           *mask = NULL;
    bool               ok = true;

    for (int k = 0; ok && k < card->n_channels; k++) {
        mt_intensity_scheme scheme = card->scheme[k];
        if (mask == NULL && mt_intensity_scheme_needs_mask(&scheme))
            ok = (mask = mt_volume_nonzero_mask(volume, error)) != NULL;
        ok = ok && mt_intensity_scheme_fit(&scheme, &facts, error) && mt_intensity_scheme_apply(&scheme, volume, k, mask, threads, error);
        if (ok && (card->mean[k] != 0 || card->std[k] != 1)) /* after what ends in 0..1 */
            standardise((float)card->mean[k], (float)card->std[k], volume->data + k * n, n, threads);
    }
    mt_free(mask);
    return ok;
}
