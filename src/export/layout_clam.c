/* CLAM: patches, masks, stitches and the process list of create_patches_fp.py; h5_files and pt_files of extract_features_fp.py. */
#include "src/export/layout_plan.h"
#include "src/export/torch_file.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

#define COORDS "/coords"
#define FEATURES "/features"
#define CHUNK_ROWS 32 /* CLAM's of features */

#define LIST_HEAD                                                                                                                          \
    "slide_id,process,status,seg_level,sthresh,mthresh,close,use_otsu,keep_ids,exclude_ids,a_t,a_h,max_n_holes,vis_level,"                 \
    "line_thickness,use_padding,contour_fn\n"

/* px of patch_level: CLAM's own where these are its tiles, else level 0, whose px can say any edge. */
typedef struct geometry {
    int64_t patch_size, patch_level, level_dim[2];
    double  downsample[2];
} geometry;

static geometry geometry_of(const mt_layout_source *s)
{
    geometry g = {.patch_size = llround(s->tile_level0[0]), .downsample = {1, 1}, .level_dim = {s->size[0], s->size[1]}};
    double   size[2];

    if (g_strcmp0(s->compat, "clam") != 0)
        return g;
    g.patch_size = s->patch_size;
    g.patch_level = s->patch_level;
    mt_result_attr(s->result, MT_OBJECT_COORDS, MT_ATTR_DOWNSAMPLE, g.downsample, 2);
    if (mt_result_attr(s->result, MT_OBJECT_COORDS, MT_ATTR_LEVEL_DIM, size, 2))
        for (int a = 0; a < 2; a++)
            g.level_dim[a] = llround(size[a]);
    return g;
}

static bool put_attributes(const mt_layout_source *s, mt_store *store, const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    geometry         g = geometry_of(s);

    return mt_layout_attr_int(store, COORDS, MT_ATTR_PATCH_SIZE, g.patch_size, error) &&
           mt_layout_attr_int(store, COORDS, MT_ATTR_PATCH_LEVEL, g.patch_level, error) &&
           mt_store_attr_double(store, COORDS, MT_ATTR_DOWNSAMPLE, g.downsample, 2, error) &&
           mt_store_attr_int(store, COORDS, MT_ATTR_DOWNSAMPLED_LEVEL_DIM, g.level_dim, 2, error) &&
           mt_store_attr_int(store, COORDS, MT_ATTR_LEVEL_DIM, g.level_dim, 2, error) &&
           mt_store_attr_string(store, COORDS, MT_ATTR_NAME, s->name, error) &&
           mt_store_attr_string(store, COORDS, "save_path", folder, error) && mt_layout_attr_truth(s, store, COORDS, error);
}

static bool write_patches(const mt_layout_source *s, const char *path, GError **error)
{
    g_autoptr(mt_store) store = mt_store_create_plain(path, error);

    return store != NULL && mt_layout_put_coords(s, store, COORDS, MT_I64, false, error) && put_attributes(s, store, path, error) &&
           mt_layout_publish(s, store, error);
}

static bool write_features(const mt_layout_source *s, const char *path, GError **error)
{
    g_autoptr(mt_store) store = mt_store_create_plain(path, error);

    return store != NULL && mt_layout_put_features(s, store, FEATURES, MT_F32, CHUNK_ROWS, error) &&
           mt_layout_put_coords(s, store, COORDS, MT_I32, true, error) && mt_layout_publish(s, store, error);
}

static bool append(void *user, const float *rows, int64_t count, GError **error)
{
    return mt_torch_file_append(user, rows, count, error);
}

static bool write_tensor(const mt_layout_source *s, const char *path, GError **error)
{
    g_autoptr(mt_torch_file) file = mt_torch_file_begin(path, s->n_valid, s->dim, error);

    return file != NULL && mt_layout_each_rows(s, append, file, error) && mt_torch_file_commit(file, s->params->replace, error);
}

static void plan_row(const mt_layout_source *s, mt_layout_plan *plan)
{
    g_autofree char *slide = g_strconcat(s->name, s->params->slide_ext, NULL);

    mt_layout_plan_line(plan, g_strdup("process_list_autogen.csv"), LIST_HEAD, g_strconcat(slide, ",", NULL),
                        g_strconcat(slide, ",0,processed,-1,8,7,4,False,none,none,100,16,8,-1,250,True,four_pt", NULL));
}

bool mt_layout_clam_plan(const mt_layout_source *s, mt_layout_plan *plan, GError **error)
{
    if (!mt_layout_need_features(s, error) || !mt_layout_need_square_tiles(s, error))
        return false;
    mt_layout_plan_file(plan, mt_layout_contours, "masks/%s.jpg", s->name);
    plan_row(s, plan);
    if (s->n == 0)
        return true; /* CLAM writes no more of a slide without patches */
    mt_layout_plan_file(plan, mt_layout_stitch, "stitches/%s.jpg", s->name);
    mt_layout_plan_file(plan, write_patches, "patches/%s.h5", s->name);
    mt_layout_plan_file(plan, write_features, "h5_files/%s.h5", s->name);
    mt_layout_plan_file(plan, write_tensor, "pt_files/%s.pt", s->name);
    return true;
}
