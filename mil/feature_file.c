#include "mil/feature_file.h"

#include "src/base/alloc.h"
#include "src/store/result_foreign.h"
#include "src/store/schema.h"

#include <microtome/error.h>

#include <math.h>
#include <string.h>

void mt_feature_file_free(mt_feature_file *file)
{
    if (file == NULL)
        return;
    mt_result_free(file->result);
    mt_free(file->valid);
    mt_free(file->coords);
    g_free(file->encoder);
    g_free(file->encoder_sha256);
    g_free(file->precision);
    g_free(file);
}

/* Ours begin with a headline; a file that has none but is HDF5 is another tool's. */
static bool open_result(mt_feature_file *file, const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;

    file->result = mt_result_open(path, &cause);
    if (file->result != NULL)
        return true;
    if (cause->code == MT_ERROR_INPUT) {
        file->result = mt_result_open_foreign(path, NULL);
        file->foreign = true;
    }
    if (file->result == NULL)
        g_propagate_error(error, g_steal_pointer(&cause));
    return file->result != NULL;
}

static bool check_rows(const mt_feature_file *file, const char *object, GError **error)
{
    int64_t shape[MT_MAX_RANK];
    int     rank = mt_result_has(file->result, object) ? mt_result_shape(file->result, object, shape, error) : 0;

    if (rank > 0 && shape[0] != file->n) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: %s has %" G_GINT64_FORMAT " rows and /features %" G_GINT64_FORMAT,
                    mt_result_path(file->result), object, shape[0], file->n);
        return false;
    }
    return rank >= 0;
}

static bool read_shape(mt_feature_file *file, GError **error)
{
    int64_t shape[MT_MAX_RANK];
    bool    pruned = !file->foreign && !mt_result_has(file->result, MT_OBJECT_FEATURES);

    if (pruned) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: it has no features (microtome prune takes them out): run the case again",
                    mt_result_path(file->result));
        return false;
    }
    int rank = mt_result_shape(file->result, MT_OBJECT_FEATURES, shape, error);
    if (rank < 0)
        return false;
    if (rank != 2) {
        g_autofree char *text = mt_shape_to_string(rank, shape);
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: /features is %s; a row per tile is wanted", mt_result_path(file->result),
                    text);
        return false;
    }
    file->n = shape[0];
    file->dim = shape[1];
    return check_rows(file, MT_OBJECT_COORDS, error) && check_rows(file, MT_OBJECT_VALID, error);
}

static bool read_valid(mt_feature_file *file, GError **error)
{
    file->valid = mt_alloc(MAX(1, file->n), 1, error);
    if (file->valid == NULL)
        return false;
    memset(file->valid, 1, (size_t)file->n);
    if (mt_result_has(file->result, MT_OBJECT_VALID)) {
        g_autoptr(mt_tensor) valid = mt_result_read(file->result, MT_OBJECT_VALID, error);
        if (valid == NULL)
            return false;
        if (valid->dtype != MT_U8 || valid->rank != 1) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: /valid is no list of bytes", mt_result_path(file->result));
            return false;
        }
        memcpy(file->valid, valid->data, (size_t)file->n);
    }
    const mt_valid_rows rows = mt_valid_rows_new(file->valid, file->n);
    file->n_valid = mt_valid_rows_count(&rows);
    return true;
}

/* What the file says beside its coordinates; foreign files say the edge under their own name. */
static void read_frame(mt_feature_file *file)
{
    static const char *const axes[] = {MT_ATTR_MPP_X, MT_ATTR_MPP_Y};
    int64_t                  shape[MT_MAX_RANK];
    double                   edge, mpp;

    if (!mt_result_has(file->result, MT_OBJECT_COORDS))
        return;
    if (mt_result_shape(file->result, MT_OBJECT_COORDS, shape, NULL) == 2 && (shape[1] == 2 || shape[1] == 3))
        file->coords_width = (int)shape[1];
    if ((mt_result_attr(file->result, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, &edge, 1) ||
         mt_result_attr(file->result, MT_OBJECT_COORDS, MT_ATTR_PATCH_SIZE_LEVEL0, &edge, 1)) &&
        edge > 0 && isfinite(edge))
        file->tile_level0 = edge;
    if (!mt_result_attr(file->result, MT_OBJECT_COORDS, MT_ATTR_TARGET_MPP, &file->target_mpp, 1))
        file->target_mpp = 0;
    for (int i = 0; i < 2; i++)
        if (mt_result_attr(file->result, MT_OBJECT_COORDS, axes[i], &mpp, 1) && mpp > 0 && isfinite(mpp))
            file->mpp[i] = mpp;
}

mt_feature_file *mt_feature_file_open(const char *path, GError **error)
{
    g_autoptr(mt_feature_file) file = g_new0(mt_feature_file, 1);

    if (!open_result(file, path, error) || !read_shape(file, error) || !read_valid(file, error))
        return NULL;
    file->encoder = mt_result_attr_string(file->result, MT_OBJECT_FEATURES, MT_ATTR_ENCODER);
    file->encoder_sha256 = mt_result_attr_string(file->result, MT_OBJECT_FEATURES, MT_ATTR_ENCODER_SHA256);
    file->precision = mt_result_attr_string(file->result, MT_OBJECT_FEATURES, MT_ATTR_PRECISION);
    read_frame(file);
    return g_steal_pointer(&file);
}

static bool read_features(void *user, int64_t tile, int64_t n, float *out, GError **error)
{
    const mt_feature_file *file = user;

    return mt_result_read_rows(file->result, MT_OBJECT_FEATURES, tile, n, out, error);
}

/* All of them, at the first question: 16 bytes a tile.  CLAM writes int32. */
static bool load_coords(mt_feature_file *file, GError **error)
{
    int64_t count = file->n * file->coords_width;

    if (file->coords != NULL)
        return true;
    g_autoptr(mt_tensor) coords = mt_result_read(file->result, MT_OBJECT_COORDS, error);
    if (coords == NULL)
        return false;
    if ((coords->dtype != MT_I64 && coords->dtype != MT_I32) || mt_tensor_count(coords) != count) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: /coords is no table of whole x and y", mt_result_path(file->result));
        return false;
    }
    file->coords = mt_alloc(MAX(1, count), sizeof *file->coords, error);
    for (int64_t i = 0; file->coords != NULL && i < count; i++)
        file->coords[i] = coords->dtype == MT_I64 ? ((const int64_t *)coords->data)[i] : ((const int32_t *)coords->data)[i];
    return file->coords != NULL;
}

static bool read_places(void *user, int64_t tile, int64_t n, int64_t *xy, GError **error)
{
    mt_feature_file *file = user;

    if (!load_coords(file, error))
        return false;
    memcpy(xy, file->coords + tile * file->coords_width, (size_t)(n * file->coords_width) * sizeof *xy);
    return true;
}

mt_bag mt_feature_file_bag(mt_feature_file *file)
{
    file->tiles = (mt_valid_tiles){.rows = mt_valid_rows_new(file->valid, file->n),
                                   .dim = file->dim,
                                   .coords_width = file->coords_width,
                                   .read = read_features,
                                   .read_places = read_places,
                                   .user = file};
    mt_bag bag = mt_valid_tiles_bag(&file->tiles);
    bag.tile_level0 = file->tile_level0;
    bag.mpp[0] = file->mpp[0];
    bag.mpp[1] = file->mpp[1];
    return bag;
}

mt_feature_origin mt_feature_file_origin(const mt_feature_file *file)
{
    return (mt_feature_origin){
        .encoder = file->encoder, .encoder_sha256 = file->encoder_sha256, .target_mpp = file->target_mpp, .dim = file->dim};
}
