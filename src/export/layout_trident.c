/* TRIDENT: a job directory in which segmentation, coordinates and features are done.  What is pending TRIDENT tells by names alone:
 * contours/S.jpg, patches/S_patches.h5, features_ENCODER/S.h5. */
#include "src/export/layout_plan.h"
#include "src/export/published_stream.h"
#include "src/store/schema.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define COORDS "/coords"
#define FEATURES "/features"
#define CHUNK_ROWS 32
#define OFF 0.02 /* how much the edge that TRIDENT reckons may differ from the true one */

/* "20x_256px_0px_overlap" */
static char *grid_folder(const mt_layout_source *s)
{
    return g_strdup_printf("%gx_%" G_GINT64_FORMAT "px_%" G_GINT64_FORMAT "px_overlap", s->target_magnification, s->patch_size, s->overlap);
}

static bool put_origin(const mt_layout_source *s, mt_store *store, const char *object, const char *folder, GError **error)
{
    return mt_store_attr_string(store, object, MT_ATTR_NAME, s->name, error) &&
           mt_store_attr_string(store, object, "savetodir", folder, error);
}

/* With the attributes of the file in patches/, wherever they are copied to. */
static bool put_coords(const mt_layout_source *s, mt_store *store, bool valid_only, GError **error)
{
    g_autofree char *grid = grid_folder(s), *folder = g_build_filename(s->params->folder, grid, "patches", NULL);
    double           edge = s->patch_size_level0 > 0 ? (double)s->patch_size_level0 : floor(s->tile_level0[0] + 0.5);

    return mt_layout_put_coords(s, store, COORDS, MT_I64, valid_only, error) &&
           mt_layout_attr_int(store, COORDS, MT_ATTR_PATCH_SIZE, s->patch_size, error) &&
           mt_store_attr_double(store, COORDS, MT_ATTR_PATCH_SIZE_LEVEL0, &edge, 1, error) &&
           mt_layout_attr_int(store, COORDS, MT_ATTR_LEVEL0_MAGNIFICATION, llround(s->level0_magnification), error) &&
           mt_store_attr_double(store, COORDS, MT_ATTR_TARGET_MAGNIFICATION, &s->target_magnification, 1, error) &&
           mt_layout_attr_int(store, COORDS, MT_ATTR_OVERLAP, s->overlap, error) && put_origin(s, store, COORDS, folder, error) &&
           mt_layout_attr_int(store, COORDS, MT_ATTR_LEVEL0_WIDTH, s->size[0], error) &&
           mt_layout_attr_int(store, COORDS, MT_ATTR_LEVEL0_HEIGHT, s->size[1], error) && mt_layout_attr_truth(s, store, COORDS, error);
}

static bool write_patches(const mt_layout_source *s, const char *path, GError **error)
{
    g_autoptr(mt_store) store = mt_store_create_plain(path, error);

    return store != NULL && put_coords(s, store, false, error) && mt_layout_publish(s, store, error);
}

static bool write_features(const mt_layout_source *s, const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(mt_store) store = mt_store_create_plain(path, error);

    return store != NULL && mt_layout_put_features(s, store, FEATURES, MT_F32, CHUNK_ROWS, error) &&
           put_origin(s, store, FEATURES, folder, error) && mt_store_attr_string(store, FEATURES, MT_ATTR_ENCODER, s->encoder, error) &&
           put_coords(s, store, true, error) && mt_layout_publish(s, store, error);
}

static bool write_slide_features(const mt_layout_source *s, const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(mt_tensor) embedding = mt_result_read(s->result, MT_OBJECT_EMBEDDING, error);
    g_autoptr(mt_store) store = embedding != NULL ? mt_store_create_plain(path, error) : NULL;

    return store != NULL && mt_store_write(store, FEATURES, embedding, error) && put_origin(s, store, FEATURES, folder, error) &&
           put_coords(s, store, true, error) && mt_layout_publish(s, store, error);
}

static void put_ring(FILE *out, const mt_layout_rings *rings, int64_t r)
{
    const int64_t *offset = (const int64_t *)rings->offsets->data + r;
    const int32_t *points = (const int32_t *)rings->points->data + 2 * offset[0];
    int64_t        n = offset[1] - offset[0];

    for (int64_t i = 0; i <= n; i++)
        fprintf(out, "%s[ %d.0, %d.0 ]", i == 0 ? "[ " : ", ", (int)points[2 * (i % n)], (int)points[2 * (i % n) + 1]);
    fputs(" ]", out);
}

/* Rings of less than three corners are none. */
static bool is_ring(const mt_layout_rings *rings, int64_t r, bool hole)
{
    const int64_t *offset = (const int64_t *)rings->offsets->data + r;

    return (((const uint8_t *)rings->kinds->data)[r] != 0) == hole && offset[1] - offset[0] >= 3;
}

static void put_tissue(FILE *out, const mt_layout_rings *rings)
{
    int tissue = 0;

    for (int64_t r = 0; r < rings->n; r++) {
        if (!is_ring(rings, r, false))
            continue;
        fprintf(
            out,
            "%s{ \"type\": \"Feature\", \"properties\": { \"tissue_id\": %d }, \"geometry\": { \"type\": \"Polygon\", \"coordinates\": [ ",
            tissue > 0 ? ",\n" : "", tissue);
        tissue++;
        put_ring(out, rings, r);
        for (int64_t hole = r + 1; hole < rings->n && ((const uint8_t *)rings->kinds->data)[hole] != 0; hole++)
            if (is_ring(rings, hole, true)) {
                fputs(", ", out);
                put_ring(out, rings, hole);
            }
        fputs(" ] } }", out);
    }
}

static bool write_geojson(const mt_layout_source *s, const char *path, GError **error)
{
    g_auto(mt_layout_rings) rings = {0};
    mt_published_stream stream;

    if (!mt_layout_rings_read(s, &rings, error) || !mt_published_stream_begin(&stream, path, error))
        return false;
    json_t *name = json_string(s->name);
    fputs("{\n\"type\": \"FeatureCollection\",\n\"name\": ", stream.out);
    json_dumpf(name, stream.out, JSON_ENCODE_ANY);
    json_decref(name);
    fputs(",\n\"crs\": { \"type\": \"name\", \"properties\": { \"name\": \"urn:ogc:def:crs:EPSG::3857\" } },\n\"features\": [\n",
          stream.out);
    put_tissue(stream.out, &rings);
    fputs("\n]\n}\n", stream.out);
    return mt_published_stream_end(&stream, path, s->params->replace, true, error);
}

/* A word of the provenance that may be part of a folder's name. */
static char *recall(const mt_layout_source *s, const char *key)
{
    g_autofree char *text =
        mt_result_has(s->result, MT_OBJECT_PROVENANCE) ? mt_result_read_string(s->result, MT_OBJECT_PROVENANCE, NULL) : NULL;
    json_t     *root = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const char *value = json_string_value(json_object_get(root, key));
    char       *word =
        value != NULL ? g_strcanon(g_strdup(value), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", '_') : NULL;

    json_decref(root);
    return word;
}

static void plan_config(mt_layout_plan *plan, char *path, json_t *config)
{
    g_autofree char *text = json_dumps(config, JSON_INDENT(4) | JSON_PRESERVE_ORDER);
    g_autofree char *line = g_strconcat(text, "\n", NULL);

    json_decref(config);
    mt_layout_plan_line(plan, path, line, NULL, NULL);
}

static void plan_log(const mt_layout_source *s, mt_layout_plan *plan, char *path, const char *message)
{
    g_autofree char *slide = g_strconcat(s->name, s->params->slide_ext, NULL);

    mt_layout_plan_line(plan, path, "", g_strconcat(slide, ":", NULL), g_strconcat(slide, ": ", message, NULL));
}

static void plan_lists(const mt_layout_source *s, const char *grid, mt_layout_plan *plan)
{
    g_autofree char *mask = recall(s, "mask");

    plan_config(plan, g_strdup("_config_segmentation.json"), json_pack("{s:s,s:s*}", "written_by", "microtome", "segmenter", mask));
    plan_log(s, plan, g_strdup("_logs_segmentation.txt"), "Tissue segmented.");
    plan_config(plan, g_strdup_printf("%s/_config_coords.json", grid),
                json_pack("{s:s,s:f,s:I,s:I}", "written_by", "microtome", "target_magnification", s->target_magnification, "patch_size",
                          (json_int_t)s->patch_size, "overlap", (json_int_t)s->overlap));
    plan_log(s, plan, g_strdup_printf("%s/_logs_coords.txt", grid), "Coords generated.");
    plan_config(plan, g_strdup_printf("%s/_config_feats_%s.json", grid, s->encoder),
                json_pack("{s:s,s:s,s:s*}", "written_by", "microtome", "patch_encoder", s->encoder, "encoder_sha256", s->encoder_sha256));
    plan_log(s, plan, g_strdup_printf("%s/_logs_feats_%s.txt", grid, s->encoder), "Features extracted.");
}

/* TRIDENT reckons edges from magnifications: where that is not what the tiles are, another encoder would be given other tiles. */
static bool check_magnification(const mt_layout_source *s, GError **error)
{
    if (s->level0_magnification < 1 || s->target_magnification <= 0)
        return mt_layout_refuse(s, error, "its magnification is not known, which the layout needs: run it again with --slide-mpp");
    double edge = (double)s->patch_size * s->level0_magnification / s->target_magnification;
    return fabs(edge - s->tile_level0[0]) <= OFF * s->tile_level0[0] ||
           mt_layout_refuse(s, error, "its tiles are %g level-0 px, and TRIDENT reckons %g from %gx and %gx: run it with --compat trident",
                            s->tile_level0[0], edge, s->level0_magnification, s->target_magnification);
}

bool mt_layout_trident_plan(const mt_layout_source *s, mt_layout_plan *plan, GError **error)
{
    int64_t shape[MT_MAX_RANK];

    if (!mt_layout_need_features(s, error) || !mt_layout_need_encoder(s, error) || !mt_layout_need_square_tiles(s, error) ||
        !check_magnification(s, error))
        return false;
    g_autofree char *grid = grid_folder(s), *head = recall(s, "head");
    mt_layout_plan_file(plan, mt_layout_thumbnail, "thumbnails/%s.jpg", s->name);
    mt_layout_plan_file(plan, write_geojson, "contours_geojson/%s.geojson", s->name);
    mt_layout_plan_file(plan, mt_layout_contours, "contours/%s.jpg", s->name);
    mt_layout_plan_file(plan, write_patches, "%s/patches/%s_patches.h5", grid, s->name);
    if (head != NULL && s->n_valid > 0 && mt_result_has(s->result, MT_OBJECT_EMBEDDING) &&
        mt_result_shape(s->result, MT_OBJECT_EMBEDDING, shape, NULL) == 1)
        mt_layout_plan_file(plan, write_slide_features, "%s/slide_features_%s/%s.h5", grid, head, s->name);
    mt_layout_plan_file(plan, write_features, "%s/features_%s/%s.h5", grid, s->encoder, s->name);
    plan_lists(s, grid, plan);
    return true;
}
