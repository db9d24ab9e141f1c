#include "src/pipeline/aggregate_places.h"

#include "src/store/result_foreign.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

/* In our terms; 0: not said. */
typedef struct frame {
    double edge[2], size[2]; /* of a tile and of the slide, level-0 px */
} frame;

static double number(const mt_result *result, const char *name)
{
    double value = 0;

    return mt_result_attr(result, MT_OBJECT_COORDS, name, &value, 1) && isfinite(value) && fabs(value) < 1e15 ? value : 0;
}

/* CLAM counts in px of patch_level. */
static frame frame_of(const mt_result *result)
{
    double patch = number(result, MT_ATTR_PATCH_SIZE), down[2] = {0, 0}, level[2] = {0, 0}, edge[2] = {0, 0};
    double whole = number(result, MT_ATTR_PATCH_SIZE_LEVEL0);
    frame  f = {{whole, whole}, {number(result, MT_ATTR_LEVEL0_WIDTH), number(result, MT_ATTR_LEVEL0_HEIGHT)}};
    bool   clam = mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_DOWNSAMPLE, down, 2) && down[0] >= 1 && down[1] >= 1 && down[0] < 1e6 &&
                down[1] < 1e6;

    for (int a = 0; a < 2 && clam && whole <= 0; a++)
        f.edge[a] = patch * down[a];
    if (clam && mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_LEVEL_DIM, level, 2))
        for (int a = 0; a < 2; a++)
            if (f.size[a] <= 0 && level[a] >= 1 && level[a] < 1e9)
                f.size[a] = level[a] * down[a];
    if (mt_result_attr(result, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, edge, 2) && edge[0] > 0 && edge[1] > 0 && edge[0] < 1e9 &&
        edge[1] < 1e9)
        memcpy(f.edge, edge, sizeof edge);
    return f;
}

static char *find_places(const char *folder, const char *features)
{
    static const char *const endings[] = {".h5", "_patches.h5"};
    g_autofree char         *stem = g_path_get_basename(features);

    if (g_str_has_suffix(stem, ".h5"))
        stem[strlen(stem) - 3] = '\0';
    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *name = g_strconcat(stem, endings[i], NULL), *path = g_build_filename(folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&path);
    }
    return NULL;
}

static int64_t value(const mt_tensor *t, int64_t i)
{
    return t->dtype == MT_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
}

static mt_tensor *read_coords(const mt_result *result, GError **error)
{
    mt_tensor *t = mt_result_read(result, MT_OBJECT_COORDS, error);

    if (t == NULL || ((t->dtype == MT_I64 || t->dtype == MT_I32) && t->rank == 2 && t->shape[1] == 2))
        return t;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: /coords is no table of whole x and y", mt_result_path(result));
    mt_tensor_unref(t);
    return NULL;
}

/* In the same order; those that could not be encoded may be missing. */
static bool check_tiles(const mt_result *features, const mt_result *places, GError **error)
{
    g_autoptr(mt_tensor) few = read_coords(features, error);
    g_autoptr(mt_tensor) all = few != NULL ? read_coords(places, error) : NULL;
    int64_t found = 0;

    if (all == NULL)
        return false;
    for (int64_t i = 0; i < all->shape[0] && found < few->shape[0]; i++)
        found += value(all, 2 * i) == value(few, 2 * found) && value(all, 2 * i + 1) == value(few, 2 * found + 1);
    if (found == few->shape[0])
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                "read %s: tile %" G_GINT64_FORMAT " of %s (x %" G_GINT64_FORMAT ", y %" G_GINT64_FORMAT
                ") is not in it: they are not of one extraction",
                mt_result_path(places), found, mt_result_path(features), value(few, 2 * found), value(few, 2 * found + 1));
    return false;
}

mt_result *mt_aggregate_places_open(const char *folder, mt_feature_file *file, GError **error)
{
    const char      *features = mt_result_path(file->result);
    g_autofree char *path = find_places(folder, features);

    if (path == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "find the coordinates of %s: %s has no file of its name", features, folder);
        return NULL;
    }
    g_autoptr(mt_result) places = mt_result_open_foreign(path, error);
    if (places == NULL || !check_tiles(file->result, places, error))
        return NULL;
    frame f = frame_of(places);
    if (f.edge[0] <= 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: it does not say how large its tiles are", path);
        return NULL;
    }
    file->tile_level0 = f.edge[0];
    file->mpp[0] = number(places, MT_ATTR_MPP_X);
    file->mpp[1] = number(places, MT_ATTR_MPP_Y);
    return g_steal_pointer(&places);
}

static bool keep_whole(mt_store *store, const char *name, double number, GError **error)
{
    int64_t whole = llround(number);

    return mt_store_attr_int(store, MT_OBJECT_COORDS, name, &whole, 1, error);
}

static bool keep_frame(const frame *f, mt_store *store, GError **error)
{
    static const char *const sizes[] = {MT_ATTR_LEVEL0_WIDTH, MT_ATTR_LEVEL0_HEIGHT};

    for (int a = 0; a < 2; a++)
        if (f->size[a] > 0 && !keep_whole(store, sizes[a], f->size[a], error))
            return false;
    return f->edge[0] <= 0 || (keep_whole(store, MT_ATTR_PATCH_SIZE_LEVEL0, f->edge[0], error) &&
                               mt_store_attr_double(store, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, f->edge, 2, error));
}

/* Numbers alone: the texts among another tool's attributes are folders. */
bool mt_aggregate_places_keep(const mt_feature_file *file, const mt_result *places, mt_store *store, GError **error)
{
    static const char *const wholes[] = {MT_ATTR_PATCH_SIZE, MT_ATTR_PATCH_LEVEL, MT_ATTR_LEVEL0_MAGNIFICATION, MT_ATTR_OVERLAP};
    static const char *const numbers[] = {MT_ATTR_TARGET_MAGNIFICATION, MT_ATTR_MPP_X, MT_ATTR_MPP_Y, MT_ATTR_TARGET_MPP};
    const mt_result         *from = places != NULL ? places : file->result;
    frame                    f = frame_of(from);
    double                   found;

    for (size_t i = 0; i < G_N_ELEMENTS(wholes); i++)
        if (mt_result_attr(from, MT_OBJECT_COORDS, wholes[i], &found, 1) && isfinite(found) && fabs(found) < 1e15 &&
            !keep_whole(store, wholes[i], found, error))
            return false;
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
        if ((found = number(from, numbers[i])) > 0 && !mt_store_attr_double(store, MT_OBJECT_COORDS, numbers[i], &found, 1, error))
            return false;
    return keep_frame(&f, store, error);
}
