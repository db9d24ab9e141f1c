#include "src/evaluate/overlap.h"

static bool check_size(const mt_mask_pair *m, GError **error)
{
    const int64_t most = INT64_C(1) << 40;

    if (m->width >= 1 && m->height >= 1 && m->depth >= 1 && m->width <= most && m->height <= most / m->width &&
        m->depth <= most / m->width / m->height)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_RANGE,
                "overlap of masks of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " pixels: that is no size", m->width,
                m->height, m->depth);
    return false;
}

bool mt_overlap_measure(const mt_mask_pair *masks, mt_overlap *overlap, GError **error)
{
    *overlap = (mt_overlap){.a = 0};
    if (!check_size(masks, error))
        return false;
    for (int64_t i = 0; i < masks->width * masks->height * masks->depth; i++) {
        overlap->a += masks->a[i] != 0;
        overlap->b += masks->b[i] != 0;
        overlap->both += masks->a[i] != 0 && masks->b[i] != 0;
    }
    overlap->dice = mt_estimate_ratio(2 * (double)overlap->both, (double)(overlap->a + overlap->b));
    overlap->iou = mt_estimate_ratio((double)overlap->both, (double)(overlap->a + overlap->b - overlap->both));
    return true;
}
