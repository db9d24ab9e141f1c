#include "src/export/result_volume.h"

#include "src/base/refuse.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

bool mt_result_volume_init(mt_result_volume *v, const mt_handover_case *c, GError **error)
{
    int64_t shape[MT_MAX_RANK];

    *v = (mt_result_volume){.result = c->result};
    if (!mt_result_has(c->result, MT_OBJECT_SEGMENTATION))
        return mt_refuse(error, MT_ERROR_INPUT, "it has no map of labels (%s)", MT_OBJECT_SEGMENTATION);
    if (mt_result_shape(c->result, MT_OBJECT_SEGMENTATION, shape, error) != 3)
        return error != NULL && *error != NULL ? false : mt_refuse(error, MT_ERROR_INPUT, "its map of labels is no volume");
    if (!mt_result_has(c->result, MT_OBJECT_AFFINE))
        return mt_refuse(error, MT_ERROR_INPUT, "it has no place in a patient (%s): a picture or slide; take geojson or png of heatmap",
                         MT_OBJECT_AFFINE);
    g_autoptr(mt_tensor) affine = mt_result_read(c->result, MT_OBJECT_AFFINE, error);
    if (affine == NULL)
        return false;
    bool ok = affine->dtype == MT_F64 && mt_tensor_count(affine) == 16;
    for (int i = 0; ok && i < 16; i++)
        ok = isfinite(v->affine[i] = ((const double *)affine->data)[i]);
    if (!ok)
        return mt_refuse(error, MT_ERROR_INPUT, "%s is damaged", MT_OBJECT_AFFINE);
    v->size[0] = shape[2];
    v->size[1] = shape[1];
    v->size[2] = shape[0];
    v->frame = mt_result_has(c->result, MT_OBJECT_FRAME) ? mt_result_read_string(c->result, MT_OBJECT_FRAME, NULL) : NULL;
    return true;
}

void mt_result_volume_clear(mt_result_volume *v)
{
    g_clear_pointer(&v->frame, g_free);
}

bool mt_result_volume_read(const mt_result_volume *v, int64_t k, void *out, GError **error)
{
    const int64_t first[3] = {k, 0, 0}, count[3] = {1, v->size[1], v->size[0]};
    g_autoptr(mt_tensor) block = mt_result_read_block(v->result, MT_OBJECT_SEGMENTATION, first, count, error);

    if (block == NULL)
        return false;
    if (block->dtype != MT_U8)
        return mt_refuse(error, MT_ERROR_INPUT, "its map of labels is of %s", mt_dtype_name(block->dtype));
    memcpy(out, block->data, (size_t)(v->size[0] * v->size[1]));
    return true;
}
