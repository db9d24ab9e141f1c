#include "src/base/alloc.h"
#include "src/pipeline/aggregate_places.h"
#include "src/pipeline/aggregate_record.h"
#include "src/result/headline.h"
#include "src/store/schema.h"

#include <microtome/case.h>
#include <microtome/recipe.h>

#include <jansson.h>
#include <math.h>

#define COPY_BYTES ((int64_t)4 << 20)

/* What a result of ours holds beside its prediction. */
static const char *const kept[] = {MT_OBJECT_COORDS,       MT_OBJECT_FEATURES,       MT_OBJECT_VALID,
                                   MT_OBJECT_INVALID_TILE, MT_OBJECT_INVALID_REASON, MT_OBJECT_TISSUE,
                                   MT_OBJECT_GEOMETRY,     MT_OBJECT_THUMBNAIL,      "/stain"};

static bool keep_ours(const mt_feature_file *file, mt_store *store, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(kept); i++)
        if (mt_result_has(file->result, kept[i]) && !mt_store_copy(store, file->result, kept[i], error))
            return false;
    return true;
}

static bool keep_features(mt_feature_file *file, mt_store *store, GError **error)
{
    int64_t block = MAX(1, COPY_BYTES / (int64_t)sizeof(float) / MAX(1, file->dim));
    float  *rows = mt_alloc(block * file->dim, sizeof(float), error);
    bool    ok = rows != NULL && mt_schema_grow_features(store, MT_F32, file->dim, file->n, file->encoder, NULL, NULL, error);

    for (int64_t first = 0; ok && first < file->n; first += block) {
        int64_t count = MIN(block, file->n - first);
        ok = mt_result_read_rows(file->result, MT_OBJECT_FEATURES, first, count, rows, error) &&
             mt_store_append(store, MT_OBJECT_FEATURES, rows, count, error);
    }
    mt_free(rows);
    return ok;
}

/* CLAM writes int32. */
static mt_tensor *widen(mt_tensor *coords, GError **error)
{
    mt_tensor *wide = coords->dtype == MT_I32 && coords->rank == 2 ? mt_tensor_new(MT_I64, 2, coords->shape, error) : NULL;

    for (int64_t i = 0; wide != NULL && i < mt_tensor_count(wide); i++)
        ((int64_t *)wide->data)[i] = ((const int32_t *)coords->data)[i];
    return wide;
}

static bool keep_coords(const mt_feature_file *file, const mt_result *places, mt_store *store, GError **error)
{
    if (!mt_result_has(file->result, MT_OBJECT_COORDS))
        return true;
    g_autoptr(mt_tensor) coords = mt_result_read(file->result, MT_OBJECT_COORDS, error);
    if (coords == NULL)
        return false;
    if ((coords->dtype != MT_I64 && coords->dtype != MT_I32) || coords->rank != 2 || coords->shape[1] < 2 || coords->shape[1] > 3) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: /coords is no table of whole x and y", mt_result_path(file->result));
        return false;
    }
    g_autoptr(mt_tensor) wide = coords->dtype == MT_I64 ? mt_tensor_ref(coords) : widen(coords, error);
    return wide != NULL && mt_store_write(store, MT_OBJECT_COORDS, wide, error) && mt_aggregate_places_keep(file, places, store, error);
}

static bool keep(mt_feature_file *file, const mt_result *places, mt_store *store, GError **error)
{
    if (!file->foreign)
        return keep_ours(file, store, error);
    return keep_coords(file, places, store, error) && keep_features(file, store, error) &&
           mt_schema_write_valid(store, file->valid, file->n, error);
}

/* What the first result knew of the case, of how it was read and of what: one that was aggregated itself says it in its provenance. */
static bool recall(const mt_feature_file *file, mt_headline **headline, char **source_sha256, bool *off_contract, GError **error)
{
    if (file->foreign)
        return true;
    g_autofree char *line = mt_result_headline(mt_result_path(file->result), error), *text = NULL;
    *headline = line != NULL ? mt_headline_parse(line, mt_result_path(file->result), error) : NULL;
    text = *headline != NULL ? mt_result_read_string(file->result, MT_OBJECT_PROVENANCE, error) : NULL;
    json_t *root = text != NULL ? json_loads(text, 0, NULL) : NULL;
    *off_contract = json_is_true(json_object_get(root, "off_contract"));
    if (json_object_get(root, "aggregated") != NULL)
        *source_sha256 = g_strdup(json_string_value(json_object_get(json_object_get(root, "hashes"), "source")));
    else if (*headline != NULL)
        *source_sha256 = g_strdup((*headline)->input_sha256);
    json_decref(root);
    return text != NULL;
}

static bool score(const mt_scorer *scorer, mt_feature_file *file, mt_head_output **output, GError **error)
{
    mt_feature_origin origin = mt_feature_file_origin(file);
    mt_bag            bag = mt_feature_file_bag(file);

    if (!mt_head_accepts(scorer->head, &origin, error))
        return false;
    *output = bag.n > 0 ? mt_head_predict(scorer->head, &bag, &scorer->options, error) : NULL;
    return bag.n == 0 || *output != NULL;
}

/* Area of a tile, from what a result says of its coordinates; 0: not known. */
static double tile_area(const mt_feature_file *file, const mt_headline *known)
{
    double tile[2], overlap = 0, size = 0;

    if (known == NULL || isnan(known->mpp_x) || isnan(known->mpp_y) ||
        !mt_result_attr(file->result, MT_OBJECT_COORDS, MT_ATTR_TILE_LEVEL0, tile, 2))
        return 0;
    mt_result_attr(file->result, MT_OBJECT_COORDS, MT_ATTR_OVERLAP, &overlap, 1);
    mt_result_attr(file->result, MT_OBJECT_COORDS, MT_ATTR_PATCH_SIZE, &size, 1);
    return mt_tile_area_mm2(tile, (double[]){known->mpp_x, known->mpp_y}, size > 0 ? overlap / size : 0);
}

bool mt_aggregate_case(const mt_scorer *scorer, const char *path, const char *id, const char *target, int64_t *tiles, GError **error)
{
    g_autoptr(mt_feature_file) file = mt_feature_file_open(path, error);
    g_autoptr(mt_recipe) defaults = mt_recipe_new();
    g_autoptr(mt_headline) known = NULL;
    g_autoptr(mt_head_output) output = NULL;
    g_autoptr(mt_result) places = NULL;
    g_autofree char *source_sha256 = NULL;
    bool             off_contract = false;

    if (file != NULL && file->foreign && scorer->coords_folder != NULL &&
        (places = mt_aggregate_places_open(scorer->coords_folder, file, error)) == NULL)
        return false;
    if (file == NULL || !recall(file, &known, &source_sha256, &off_contract, error) || !score(scorer, file, &output, error))
        return false;
    *tiles = file->n;
    g_autofree char *identity = mt_case_identity(path, error);
    mt_image_quality quality;
    mt_image_quality_recall(file->result, &quality);
    mt_prediction_facts seen = {.tiles = file->n,
                                .invalid_tiles = file->n - file->n_valid,
                                .off_contract = off_contract,
                                .degraded_invalid = defaults->degraded_invalid,
                                .withheld_invalid = defaults->withheld_invalid,
                                .tissue_mm2 = known != NULL ? known->tissue_mm2 : 0,
                                .tile_mm2 = tile_area(file, known),
                                .identity = known != NULL && known->input_sha256 != NULL ? known->input_sha256 : identity,
                                .quality = &quality,
                                .language = mt_language_of(scorer->language)};
    g_autoptr(mt_prediction) prediction = identity != NULL ? mt_prediction_new(output, &scorer->card, &seen, error) : NULL;
    g_autoptr(mt_store) store = prediction != NULL ? mt_store_create(target, error) : NULL;
    mt_aggregate_facts facts = {.id = id,
                                .input_sha256 = identity,
                                .source_sha256 = source_sha256,
                                .encoder = file->encoder,
                                .encoder_sha256 = file->encoder_sha256,
                                .precision = file->precision,
                                .mpp_source = known != NULL ? known->mpp_source : NULL,
                                .tissue_mm2 = known != NULL && !isnan(known->tissue_mm2) ? known->tissue_mm2 : -1,
                                .mpp_x = known != NULL && !isnan(known->mpp_x) ? known->mpp_x : file->mpp[0],
                                .mpp_y = known != NULL && !isnan(known->mpp_y) ? known->mpp_y : file->mpp[1],
                                .demonstration = scorer->card.demonstration || (known != NULL && known->demonstration),
                                .off_contract = off_contract};
    return store != NULL && keep(file, places, store, error) &&
           mt_aggregate_publish(scorer, &facts, prediction, output, file->valid, store, error);
}
