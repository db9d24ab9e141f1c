#include "src/store/schema.h"

#include "src/base/alloc.h"

#include <math.h>
#include <string.h>

int64_t mt_schema_level0_magnification(const mt_coords_info *info)
{
    static const struct {
        double  below_mpp;
        int64_t power;
    } powers[] = {{0.16, 80}, {0.2, 60}, {0.3, 40}, {0.6, 20}, {1.2, 10}, {2.4, 5}};
    double mpp = floor(info->mpp_x * 1e4 + 0.5) / 1e4;

    if (info->level0_magnification > 0)
        return (int64_t)info->level0_magnification;
    if (info->objective_power >= 0.5)
        return (int64_t)floor(info->objective_power + 0.5);
    for (size_t i = 0; mpp > 0 && i < G_N_ELEMENTS(powers); i++)
        if (mpp < powers[i].below_mpp)
            return powers[i].power;
    return 0;
}

double mt_schema_target_magnification(const mt_coords_info *info)
{
    double power = info->target_mpp > 0 ? 10 / info->target_mpp : (double)mt_schema_level0_magnification(info);
    double whole = floor(power + 0.5);

    if (info->target_magnification > 0)
        return info->target_magnification;
    return whole >= 1 && fabs(power - whole) <= 0.02 * whole ? whole : floor(power * 100 + 0.5) / 100;
}

static bool write_int(mt_store *store, const char *name, int64_t value, GError **error)
{
    return mt_store_attr_int(store, MT_OBJECT_COORDS, name, &value, 1, error);
}

/* A number that is only written when it is known. */
static bool write_known(mt_store *store, const char *name, double value, GError **error)
{
    return value <= 0 || mt_store_attr_double(store, MT_OBJECT_COORDS, name, &value, 1, error);
}

static bool write_magnification(mt_store *store, const mt_coords_info *info, GError **error)
{
    int64_t power = mt_schema_level0_magnification(info);

    return (power == 0 || write_int(store, MT_ATTR_LEVEL0_MAGNIFICATION, power, error)) &&
           write_known(store, MT_ATTR_TARGET_MAGNIFICATION, mt_schema_target_magnification(info), error);
}

static bool write_spacing(mt_store *store, const mt_coords_info *info, GError **error)
{
    return write_known(store, MT_ATTR_MPP_X, info->mpp_x, error) && write_known(store, MT_ATTR_MPP_Y, info->mpp_y, error) &&
           mt_store_attr_double(store, MT_OBJECT_COORDS, MT_ATTR_TARGET_MPP, &info->target_mpp, 1, error) &&
           mt_store_attr_string(store, MT_OBJECT_COORDS, MT_ATTR_MPP_SOURCE, info->mpp_source, error);
}

/* What only another tool's tiles have. */
static bool write_tool(mt_store *store, const mt_coords_info *info, GError **error)
{
    if (info->compat == NULL)
        return true;
    if (!mt_store_attr_string(store, MT_OBJECT_COORDS, MT_ATTR_COMPAT, info->compat, error))
        return false;
    return info->downsample == NULL ||
           (mt_store_attr_double(store, MT_OBJECT_COORDS, MT_ATTR_DOWNSAMPLE, info->downsample, 2, error) &&
            mt_store_attr_int(store, MT_OBJECT_COORDS, MT_ATTR_LEVEL_DIM, info->level_size, 2, error) &&
            mt_store_attr_int(store, MT_OBJECT_COORDS, MT_ATTR_DOWNSAMPLED_LEVEL_DIM, info->level_size, 2, error));
}

bool mt_schema_write_coords(mt_store *store, const mt_coords_info *info, const mt_tensor *coords, GError **error)
{
    int64_t overlap_px = (int64_t)floor(info->overlap * (double)info->patch_size + 0.5);
    int64_t edge_level0 = info->patch_size_level0 > 0 ? info->patch_size_level0 : (int64_t)floor(info->tile_level0[0] + 0.5);

    return mt_store_write(store, MT_OBJECT_COORDS, coords, error) &&
           mt_store_attr_string(store, MT_OBJECT_COORDS, MT_ATTR_NAME, info->name, error) &&
           write_int(store, MT_ATTR_PATCH_SIZE, info->patch_size, error) &&
           write_int(store, MT_ATTR_PATCH_LEVEL, info->patch_level, error) &&
           write_int(store, MT_ATTR_PATCH_SIZE_LEVEL0, edge_level0, error) &&
           mt_store_attr_double(store, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, info->tile_level0, 2, error) &&
           write_int(store, MT_ATTR_PATCH_DEPTH, info->patch_depth, error) && write_int(store, MT_ATTR_OVERLAP, overlap_px, error) &&
           write_magnification(store, info, error) && write_int(store, MT_ATTR_LEVEL0_WIDTH, info->level0_width, error) &&
           write_int(store, MT_ATTR_LEVEL0_HEIGHT, info->level0_height, error) && write_spacing(store, info, error) &&
           write_tool(store, info, error);
}

bool mt_schema_grow_features(mt_store *store, mt_dtype dtype, int64_t dim, int64_t rows, const char *encoder, const char *encoder_sha256,
                             const char *precision, GError **error)
{
    return mt_store_grow_expecting(store, MT_OBJECT_FEATURES, dtype, dim, rows, error) &&
           (encoder == NULL || mt_store_attr_string(store, MT_OBJECT_FEATURES, MT_ATTR_ENCODER, encoder, error)) &&
           (encoder_sha256 == NULL || mt_store_attr_string(store, MT_OBJECT_FEATURES, MT_ATTR_ENCODER_SHA256, encoder_sha256, error)) &&
           (precision == NULL || mt_store_attr_string(store, MT_OBJECT_FEATURES, MT_ATTR_PRECISION, precision, error));
}

/* Plain values under a name; they are only read. */
static bool write_array(mt_store *store, const char *object, mt_dtype dtype, int rank, const int64_t *shape, const void *data,
                        GError **error)
{
    g_autoptr(mt_tensor) view = mt_tensor_new_view(dtype, rank, shape, (void *)data, NULL);

    return mt_store_write(store, object, view, error);
}

bool mt_schema_write_valid(mt_store *store, const uint8_t *valid, int64_t n, GError **error)
{
    return write_array(store, MT_OBJECT_VALID, MT_U8, 1, &n, valid, error);
}

bool mt_schema_write_floats(mt_store *store, const char *object, const float *values, int64_t n, GError **error)
{
    return write_array(store, object, MT_F32, 1, &n, values, error);
}

bool mt_schema_write_tile_table(mt_store *store, const char *object, const float *rows, int64_t width, const uint8_t *valid, int64_t n,
                                float fill, const char *const *labels, GError **error)
{
    int64_t shape[2] = {n, width};
    g_autoptr(mt_tensor) table = mt_tensor_new(MT_F32, 2, shape, error);

    if (table == NULL)
        return false;
    for (int64_t i = 0; i < n; i++) {
        float *row = (float *)table->data + i * width;
        bool   read = valid == NULL || valid[i] != 0;
        for (int64_t k = 0; k < width; k++)
            row[k] = read ? rows[k] : fill;
        rows += read ? width : 0;
    }
    return mt_store_write(store, object, table, error) &&
           (labels == NULL || mt_store_attr_strings(store, object, MT_ATTR_LABELS, labels, error));
}

bool mt_schema_write_rings(mt_store *store, const mt_ring *rings, int64_t n, GError **error)
{
    int64_t n_offsets = n + 1, total = 0;

    for (int64_t i = 0; i < n; i++)
        total += rings[i].n;
    int64_t points_shape[2] = {total, 2};
    g_autoptr(mt_tensor) points = mt_tensor_new(MT_I32, 2, points_shape, error);
    g_autoptr(mt_tensor) offsets = points != NULL ? mt_tensor_new(MT_I64, 1, &n_offsets, error) : NULL;
    g_autoptr(mt_tensor) kinds = offsets != NULL ? mt_tensor_new(MT_U8, 1, &n, error) : NULL;
    if (kinds == NULL)
        return false;
    int64_t *offset = offsets->data;
    for (int64_t i = 0; i < n; i++) {
        if (rings[i].n > 0)
            memcpy((int32_t *)points->data + 2 * offset[i], rings[i].points, (size_t)rings[i].n * 2 * sizeof(int32_t));
        offset[i + 1] = offset[i] + rings[i].n;
        ((uint8_t *)kinds->data)[i] = rings[i].hole ? 1 : 0;
    }
    return mt_store_write(store, MT_OBJECT_TISSUE_POINTS, points, error) &&
           mt_store_write(store, MT_OBJECT_TISSUE_OFFSETS, offsets, error) && mt_store_write(store, MT_OBJECT_TISSUE_KINDS, kinds, error);
}

bool mt_schema_write_geometry(mt_store *store, const mt_geometry *geometry, GError **error)
{
    int64_t square[2] = {4, 4}, three = 3, four = 4;

    return write_array(store, MT_OBJECT_SIZE, MT_I64, 1, &three, geometry->size, error) &&
           (geometry->affine == NULL || write_array(store, MT_OBJECT_AFFINE, MT_F64, 2, square, geometry->affine, error)) &&
           (geometry->bounds == NULL || write_array(store, MT_OBJECT_BOUNDS, MT_I64, 1, &four, geometry->bounds, error)) &&
           (geometry->axis == NULL || mt_store_write_string(store, MT_OBJECT_AXIS, geometry->axis, error)) &&
           (geometry->frame_of_reference == NULL || mt_store_write_string(store, MT_OBJECT_FRAME, geometry->frame_of_reference, error));
}

bool mt_schema_write_stain(mt_store *store, const mt_stain_record *stain, GError **error)
{
    int64_t matrix[2] = {3, 2}, two = 2, three = 3;

    if (!mt_store_write_string(store, MT_OBJECT_STAIN_METHOD, stain->method, error) ||
        !mt_store_write_string(store, MT_OBJECT_STAIN_TARGET, stain->target, error))
        return false;
    if (stain->matrix != NULL)
        return write_array(store, MT_OBJECT_STAIN_MATRIX, MT_F64, 2, matrix, stain->matrix, error) &&
               write_array(store, MT_OBJECT_STAIN_MAX_CONCENTRATION, MT_F64, 1, &two, stain->max_concentration, error);
    return write_array(store, MT_OBJECT_STAIN_LAB_MEAN, MT_F64, 1, &three, stain->lab_mean, error) &&
           write_array(store, MT_OBJECT_STAIN_LAB_STD, MT_F64, 1, &three, stain->lab_std, error);
}

bool mt_schema_write_thumbnail(mt_store *store, const mt_tensor *rgb, int64_t plane, GError **error)
{
    if (rgb->dtype != MT_U8 || rgb->rank != 3 || rgb->shape[2] != 3) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "write %s: not 8-bit RGB of height x width x 3", MT_OBJECT_THUMBNAIL);
        return false;
    }
    return mt_store_write(store, MT_OBJECT_THUMBNAIL, rgb, error) &&
           mt_store_attr_int(store, MT_OBJECT_THUMBNAIL, MT_ATTR_PLANE, &plane, 1, error);
}
