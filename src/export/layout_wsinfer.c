/* wsinfer: patches, masks, and the probabilities of each patch as CSV and GeoJSON. */
#include "src/base/csv.h"
#include "src/base/decimal.h"
#include "src/base/hash.h"
#include "src/export/heat_columns.h"
#include "src/export/layout_columns.h"
#include "src/export/layout_plan.h"
#include "src/export/published_stream.h"
#include "src/store/schema.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define COORDS "/coords"

/* wsinfer knows level 0 alone. */
static int64_t edge_of(const mt_layout_source *s)
{
    return llround(s->tile_level0[0]);
}

static bool write_patches(const mt_layout_source *s, const char *path, GError **error)
{
    g_autoptr(mt_store) store = mt_store_create_plain(path, error);
    double spacing = s->tile_level0[0] * s->mpp[0] / (double)s->patch_size;

    return store != NULL && mt_store_write_packed(store, COORDS, s->coords, error) &&
           mt_layout_attr_int(store, COORDS, MT_ATTR_PATCH_SIZE, edge_of(s), error) &&
           mt_layout_attr_int(store, COORDS, MT_ATTR_PATCH_LEVEL, 0, error) &&
           mt_store_attr_double(store, COORDS, "patch_spacing_um_px", &spacing, 1, error) &&
           mt_layout_attr_truth(s, store, COORDS, error) && mt_layout_publish(s, store, error);
}

/* As few digits as read back as the same float. */
static void put_number(FILE *out, float value, const char *none)
{
    char digits[MT_DECIMAL_BYTES];

    fputs(isfinite(value) ? mt_decimal_text(mt_decimal_of_float(value), digits) : none, out);
}

static const int64_t *corner(const mt_layout_source *s, int64_t i)
{
    return (const int64_t *)s->coords->data + 2 * i;
}

static void put_row(const mt_layout_source *s, const mt_layout_columns *c, FILE *out, int64_t i)
{
    const int64_t *at = corner(s, i), edge = edge_of(s);

    fprintf(out, "%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT, at[0], at[1], edge, edge);
    for (int k = 0; k < c->n; k++) {
        fputc(',', out);
        put_number(out, ((const float *)c->values->data)[i * c->n + k], "");
    }
    fputc('\n', out);
}

static bool write_csv(const mt_layout_source *s, const char *path, GError **error)
{
    g_auto(mt_layout_columns) c = {0};
    g_autoptr(GString) head = g_string_new("minx,miny,width,height");
    mt_published_stream stream;

    if (!mt_layout_columns_read(s, MT_OBJECT_TILE_SCORES, "prob", &c, error) || !mt_published_stream_begin(&stream, path, error))
        return false;
    for (int k = 0; k < c.n; k++)
        mt_csv_append_text(head, c.names[k], false);
    fprintf(stream.out, "%s\n", head->str);
    for (int64_t i = 0; i < s->n; i++)
        if (s->valid[i] != 0)
            put_row(s, &c, stream.out, i);
    return mt_published_stream_end(&stream, path, s->params->replace, true, error);
}

/* A UUID that follows from the input: version 4's bits over SHA-256. */
static void put_id(const char *seed, FILE *out, int64_t i)
{
    g_autofree char *text = g_strdup_printf("%s/%" G_GINT64_FORMAT, seed, i), *hash = mt_hash_bytes(text, strlen(text));

    fprintf(out, "\"%.8s-%.4s-4%.3s-8%.3s-%.12s\"", hash, hash + 8, hash + 13, hash + 17, hash + 20);
}

static void put_feature(const mt_layout_source *s, const mt_layout_columns *c, const char *seed, FILE *out, int64_t i)
{
    const int64_t *at = corner(s, i), edge = edge_of(s);
    const int64_t  x[5] = {at[0] + edge, at[0] + edge, at[0], at[0], at[0] + edge};
    const int64_t  y[5] = {at[1], at[1] + edge, at[1] + edge, at[1], at[1]};

    fputs("{\"type\":\"Feature\",\"id\":", out);
    put_id(seed, out, i);
    fputs(",\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[[", out);
    for (int k = 0; k < 5; k++)
        fprintf(out, "%s[%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT "]", k > 0 ? "," : "", x[k], y[k]);
    fputs("]]},\"properties\":{\"isLocked\":true,\"measurements\":{", out);
    for (int k = 0; k < c->n; k++) {
        fputs(k > 0 ? "," : "", out);
        mt_heat_put_string(out, c->names[k]);
        fputc(':', out);
        put_number(out, ((const float *)c->values->data)[i * c->n + k], "null");
    }
    fputs("},\"objectType\":\"tile\"}}", out);
}

static bool write_geojson(const mt_layout_source *s, const char *path, GError **error)
{
    g_auto(mt_layout_columns) c = {0};
    g_autofree char    *seed = mt_result_headline(mt_result_path(s->result), error);
    mt_published_stream stream;
    const char         *between = "\n";

    if (seed == NULL || !mt_layout_columns_read(s, MT_OBJECT_TILE_SCORES, "prob", &c, error) ||
        !mt_published_stream_begin(&stream, path, error))
        return false;
    fputs("{\"type\":\"FeatureCollection\",\"features\":[", stream.out);
    for (int64_t i = 0; i < s->n; i++)
        if (s->valid[i] != 0) {
            fputs(between, stream.out);
            put_feature(s, &c, seed, stream.out, i);
            between = ",\n";
        }
    fputs("\n]}\n", stream.out);
    return mt_published_stream_end(&stream, path, s->params->replace, true, error);
}

static void plan_metadata(const mt_layout_source *s, mt_layout_plan *plan)
{
    json_t *all = json_pack("{s:{s:s*,s:s*},s:{s:s},s:s}", "model", "name", s->encoder, "sha256", s->encoder_sha256, "runtime", "microtome",
                            MT_VERSION, "timestamp", s->began);
    g_autofree char *text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    g_autofree char *line = g_strconcat(text, "\n", NULL);

    json_decref(all);
    mt_layout_plan_line(plan, g_strdup_printf("run_metadata_%s.json", s->began), line, NULL, NULL);
}

bool mt_layout_wsinfer_plan(const mt_layout_source *s, mt_layout_plan *plan, GError **error)
{
    if (!mt_layout_need_mpp(s, error) || !mt_layout_need_square_tiles(s, error))
        return false;
    if (s->n > 0 && !mt_result_has(s->result, MT_OBJECT_TILE_SCORES))
        return mt_layout_refuse(s, error, "its head gave no score to each tile, and the layout holds nothing else");
    mt_layout_plan_file(plan, mt_layout_contours, "masks/%s.jpg", s->name);
    mt_layout_plan_file(plan, write_patches, "patches/%s.h5", s->name);
    if (s->n > 0) {
        mt_layout_plan_file(plan, write_geojson, "model-outputs-geojson/%s.geojson", s->name);
        mt_layout_plan_file(plan, write_csv, "model-outputs-csv/%s.csv", s->name);
    }
    plan_metadata(s, plan);
    return true;
}
