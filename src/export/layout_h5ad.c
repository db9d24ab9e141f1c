/* AnnData: ID.h5ad, a row a tile. */
#include "src/base/alloc.h"
#include "src/export/layout_columns.h"
#include "src/export/layout_plan.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

#define CHUNK_ROWS 128
#define NUMBER_BYTES 24

/* Every object says what it is. */
static bool put_kind(mt_store *store, const char *object, const char *type, const char *version, GError **error)
{
    return mt_store_attr_string(store, object, "encoding-type", type, error) &&
           mt_store_attr_string(store, object, "encoding-version", version, error);
}

static bool put_dict(mt_store *store, const char *object, GError **error)
{
    return mt_store_write_group(store, object, error) && put_kind(store, object, "dict", "0.1.0", error);
}

static bool put_array(mt_store *store, const char *object, const mt_tensor *values, GError **error)
{
    return mt_store_write(store, object, values, error) && put_kind(store, object, "array", "0.2.0", error);
}

static bool put_vector(mt_store *store, const char *object, mt_dtype dtype, int64_t n, const void *values, GError **error)
{
    g_autoptr(mt_tensor) view = mt_tensor_new_view(dtype, 1, &n, (void *)values, NULL);

    return put_array(store, object, view, error);
}

static bool put_number(mt_store *store, const char *object, double value, GError **error)
{
    g_autoptr(mt_tensor) view = mt_tensor_new_view(MT_F64, 0, NULL, &value, NULL);

    return mt_store_write(store, object, view, error) && put_kind(store, object, "numeric-scalar", "0.2.0", error);
}

static bool put_string(mt_store *store, const char *object, const char *value, GError **error)
{
    return value == NULL || (mt_store_write_string(store, object, value, error) && put_kind(store, object, "string", "0.2.0", error));
}

static bool put_strings(mt_store *store, const char *object, const char *const *values, int64_t n, GError **error)
{
    return mt_store_write_strings(store, object, values, n, error) && put_kind(store, object, "string-array", "0.2.0", error);
}

/* A table without columns: its index "PREFIX<number>", of the rows where `keep` (NULL: all) is not 0. */
static bool put_table(mt_store *store, const char *object, const char *prefix, int64_t n, const uint8_t *keep, const char *const *columns,
                      GError **error)
{
    g_autofree char *index = g_strconcat(object, "/_index", NULL);
    const char     **names = mt_alloc(n, sizeof *names, error);
    char            *text = names != NULL ? mt_alloc(n, NUMBER_BYTES, error) : NULL;
    int64_t          kept = 0;

    for (int64_t i = 0; text != NULL && i < n; i++)
        if (keep == NULL || keep[i] != 0) {
            names[kept] = text + kept * NUMBER_BYTES;
            g_snprintf(text + kept * NUMBER_BYTES, NUMBER_BYTES, "%s%" G_GINT64_FORMAT, prefix, i);
            kept++;
        }
    bool ok = text != NULL && put_strings(store, index, names, kept, error) && put_kind(store, object, "dataframe", "0.2.0", error) &&
              mt_store_attr_string(store, object, "_index", "_index", error) &&
              mt_store_attr_strings(store, object, "column-order", columns, error);
    mt_free(text);
    mt_free(names);
    return ok;
}

static bool put_features(const mt_layout_source *s, mt_store *store, GError **error)
{
    return mt_layout_put_features(s, store, "/X", MT_F32, CHUNK_ROWS, error) && put_kind(store, "/X", "array", "0.2.0", error);
}

/* Centres: a spot of AnnData is drawn around its place. */
static bool put_spatial(const mt_layout_source *s, mt_store *store, GError **error)
{
    int64_t        shape[2] = {s->n_valid, 2};
    const int64_t *from = s->coords->data;
    g_autoptr(mt_tensor) places = mt_tensor_new(MT_F64, 2, shape, error);
    double *to = places != NULL ? places->data : NULL;

    for (int64_t i = 0; to != NULL && i < s->n; i++)
        for (int a = 0; a < 2 && s->valid[i] != 0; a++)
            *to++ = (double)from[2 * i + a] + s->tile_level0[a] / 2;
    return places != NULL && put_dict(store, "/obsm", error) && put_array(store, "/obsm/spatial", places, error);
}

/* Tiles by their number, and top left corners. */
static bool put_places(const mt_layout_source *s, mt_store *store, GError **error)
{
    static const char *const names[] = {"/obs/x", "/obs/y", "/obs/tile"};
    const int64_t           *from = s->coords->data;
    int64_t                 *column = mt_alloc(s->n_valid, sizeof *column, error);
    bool                     ok = column != NULL;

    for (int a = 0; ok && a < 3; a++) {
        int64_t kept = 0;
        for (int64_t i = 0; i < s->n; i++)
            if (s->valid[i] != 0)
                column[kept++] = a < 2 ? from[2 * i + a] : i;
        ok = put_vector(store, names[a], MT_I64, kept, column, error);
    }
    mt_free(column);
    return ok;
}

/* Names of members: what would lead into a group is not one. */
static void flatten_names(mt_layout_columns *c)
{
    for (int k = 0; k < c->n; k++)
        g_strdelimit(c->names[k], "/", '_');
}

static bool put_columns(const mt_layout_source *s, const mt_layout_columns *c, mt_store *store, GError **error)
{
    float *column = mt_alloc(s->n_valid, sizeof *column, error);
    bool   ok = column != NULL;

    for (int k = 0; ok && k < c->n; k++) {
        g_autofree char *object = g_strconcat("/obs/", c->names[k], NULL);
        int64_t          kept = 0;
        for (int64_t i = 0; i < s->n; i++)
            if (s->valid[i] != 0)
                column[kept++] = ((const float *)c->values->data)[i * c->n + k];
        ok = put_vector(store, object, MT_F32, kept, column, error);
    }
    mt_free(column);
    return ok;
}

static bool put_obs(const mt_layout_source *s, mt_store *store, GError **error)
{
    g_auto(mt_layout_columns) attention = {0};
    g_auto(mt_layout_columns) scores = {0};
    g_autoptr(GPtrArray) order = g_ptr_array_new();

    if (!mt_layout_columns_read(s, MT_OBJECT_ATTENTION, "attention", &attention, error) ||
        !mt_layout_columns_read(s, MT_OBJECT_TILE_SCORES, "score", &scores, error))
        return false;
    flatten_names(&attention);
    flatten_names(&scores);
    g_ptr_array_add(order, "x");
    g_ptr_array_add(order, "y");
    g_ptr_array_add(order, "tile");
    for (int k = 0; k < attention.n; k++)
        g_ptr_array_add(order, attention.names[k]);
    for (int k = 0; k < scores.n; k++)
        g_ptr_array_add(order, scores.names[k]);
    g_ptr_array_add(order, NULL);
    return put_table(store, "/obs", "", s->n, s->valid, (const char *const *)order->pdata, error) && put_places(s, store, error) &&
           put_columns(s, &attention, store, error) && put_columns(s, &scores, store, error);
}

/* What squidpy and scanpy draw spots over: the stored thumbnail. */
static bool put_picture(const mt_layout_source *s, mt_store *store, GError **error)
{
    if (!mt_result_has(s->result, MT_OBJECT_THUMBNAIL))
        return true;
    g_autoptr(mt_tensor) picture = mt_result_read(s->result, MT_OBJECT_THUMBNAIL, error);
    g_autofree char *library = g_strconcat("/uns/spatial/", s->name, NULL), *images = g_strconcat(library, "/images", NULL);
    g_autofree char *factors = g_strconcat(library, "/scalefactors", NULL), *hires = g_strconcat(images, "/hires", NULL);
    g_autofree char *scale = g_strconcat(factors, "/tissue_hires_scalef", NULL),
                    *spot = g_strconcat(factors, "/spot_diameter_fullres", NULL);

    return picture != NULL && put_dict(store, "/uns/spatial", error) && put_dict(store, library, error) && put_dict(store, images, error) &&
           put_array(store, hires, picture, error) && put_dict(store, factors, error) &&
           put_number(store, scale, (double)picture->shape[1] / (double)MAX(s->size[0], 1), error) &&
           put_number(store, spot, s->tile_level0[0], error);
}

static bool put_slide(const mt_layout_source *s, mt_store *store, GError **error)
{
    g_auto(GStrv) labels = mt_result_attr_strings(s->result, MT_OBJECT_SCORES, MT_ATTR_LABELS);
    g_autoptr(mt_tensor) scores = NULL;

    if (labels != NULL && mt_result_has(s->result, MT_OBJECT_SCORES)) {
        scores = mt_result_read(s->result, MT_OBJECT_SCORES, error);
        if (scores == NULL)
            return false;
    }
    return put_dict(store, "/uns/microtome", error) && put_string(store, "/uns/microtome/slide", s->name, error) &&
           put_string(store, "/uns/microtome/encoder", s->encoder, error) &&
           put_string(store, "/uns/microtome/encoder_sha256", s->encoder_sha256, error) &&
           (s->mpp[0] <= 0 || put_vector(store, "/uns/microtome/mpp", MT_F64, 2, s->mpp, error)) &&
           put_vector(store, "/uns/microtome/tile_level0", MT_F64, 2, s->tile_level0, error) &&
           (scores == NULL || (put_array(store, "/uns/microtome/scores", scores, error) &&
                               put_strings(store, "/uns/microtome/labels", (const char *const *)labels, g_strv_length(labels), error)));
}

static bool write_anndata(const mt_layout_source *s, const char *path, GError **error)
{
    static const char *const none[] = {NULL}, *const empty[] = {"/layers", "/obsp", "/varm", "/varp"};
    g_autoptr(mt_store) store = mt_store_create_plain(path, error);
    bool ok = store != NULL && put_kind(store, "/", "anndata", "0.1.0", error) && put_features(s, store, error) &&
              put_obs(s, store, error) && put_table(store, "/var", "feature_", s->dim, NULL, none, error) && put_spatial(s, store, error) &&
              put_dict(store, "/uns", error) && put_picture(s, store, error) && put_slide(s, store, error);

    for (size_t i = 0; ok && i < G_N_ELEMENTS(empty); i++)
        ok = put_dict(store, empty[i], error);
    return ok && mt_layout_publish(s, store, error);
}

bool mt_layout_h5ad_plan(const mt_layout_source *s, mt_layout_plan *plan, GError **error)
{
    if (!mt_layout_need_features(s, error) || !mt_layout_need_tiles(s, error))
        return false;
    mt_layout_plan_file(plan, write_anndata, "%s.h5ad", s->name);
    return true;
}
