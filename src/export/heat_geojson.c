/* Tiles and hot regions for QuPath. */
#include "src/base/hash.h"
#include "src/export/heat_columns.h"
#include "src/export/published_stream.h"
#include "src/result/hot_regions.h"
#include "src/store/schema.h"

#include <math.h>
#include <string.h>

#define DEFAULT_THRESHOLD 0.5

typedef struct writer {
    FILE             *out;
    const mt_heatmap *heatmap;
    mt_heat_columns  *columns;
    double            threshold;
    double            corner[2];
    char             *seed; /* of the ids: "HASH/LABEL/SOURCE" */
    const char       *label;
    bool              first;
} writer;

/* A UUID that follows from the input: version 5's bits over SHA-256. */
static void put_id(const writer *w, const char *kind, int64_t i)
{
    g_autofree char *text = g_strdup_printf("%s/%s/%" G_GINT64_FORMAT, w->seed, kind, i);
    g_autofree char *hash = mt_hash_bytes(text, strlen(text));

    fprintf(w->out, "\"%.8s-%.4s-5%.3s-8%.3s-%.12s\"", hash, hash + 8, hash + 13, hash + 17, hash + 20);
}

static void begin_feature(writer *w, const char *kind, int64_t i)
{
    fprintf(w->out, "%s\n{\"type\":\"Feature\",\"id\":", w->first ? "" : ",");
    w->first = false;
    put_id(w, kind, i);
    fputs(",\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[", w->out);
}

static void put_point(const writer *w, double x, double y)
{
    fputc('[', w->out);
    mt_heat_put_number(w->out, x - w->corner[0], "0");
    fputc(',', w->out);
    mt_heat_put_number(w->out, y - w->corner[1], "0");
    fputc(']', w->out);
}

static void put_class(const writer *w, const char *name, const char *colour)
{
    fputs(",\"classification\":{\"name\":", w->out);
    mt_heat_put_string(w->out, name);
    fprintf(w->out, ",\"color\":[%s]}", colour);
}

static void put_ring(const writer *w, const double *points, int64_t n)
{
    fputc('[', w->out);
    for (int64_t i = 0; i <= n; i++) {
        if (i > 0)
            fputc(',', w->out);
        put_point(w, points[2 * (i % n)], points[2 * (i % n) + 1]);
    }
    fputc(']', w->out);
}

static void put_region(writer *w, const mt_hot_regions *regions, int64_t r)
{
    const mt_hot_region *region = &regions->regions[r];
    const mt_heatmap    *h = w->heatmap;

    begin_feature(w, "region", r);
    for (int64_t k = 0; k < region->n_rings; k++) {
        int64_t ring = region->first_ring + k, from = regions->offsets[ring];
        if (k > 0)
            fputc(',', w->out);
        put_ring(w, regions->points + 2 * from, regions->offsets[ring + 1] - from);
    }
    fprintf(w->out, "]},\"properties\":{\"objectType\":\"annotation\",\"name\":");
    g_autofree char *name = g_strdup_printf("%s %" G_GINT64_FORMAT, w->label, r + 1);
    mt_heat_put_string(w->out, name);
    put_class(w, w->label, "200,30,30");
    fputs(",\"isLocked\":true,\"measurements\":{\"mean\":", w->out);
    mt_heat_put_number(w->out, region->mean, "null");
    fputs(",\"peak\":", w->out);
    mt_heat_put_number(w->out, region->peak, "null");
    fputs(",\"area px^2\":", w->out);
    mt_heat_put_number(w->out, region->area, "null");
    if (h->mpp[0] > 0) {
        fputs(",\"area mm^2\":", w->out);
        mt_heat_put_number(w->out, region->area * h->mpp[0] * h->mpp[1] / 1e6, "null");
    }
    if (region->tiles > 0)
        fprintf(w->out, ",\"tiles\":%" G_GINT64_FORMAT, region->tiles);
    fputs("}}}", w->out);
}

static void put_tile(writer *w, int64_t i)
{
    const mt_heatmap *h = w->heatmap;
    const int64_t    *row = (const int64_t *)h->coords->data + i * h->coords->shape[1];
    double            x = (double)row[0], y = (double)row[1], x1 = x + h->tile_level0[0], y1 = y + h->tile_level0[1];
    bool              unread = isnan(h->tile_values[i]);

    begin_feature(w, "tile", i);
    put_ring(w, (const double[]){x, y, x1, y, x1, y1, x, y1}, 4);
    fputs("]},\"properties\":{\"objectType\":\"detection\"", w->out);
    if (unread)
        put_class(w, "Unread", "120,120,120");
    else if ((double)h->tile_values[i] >= w->threshold)
        put_class(w, w->label, "200,30,30");
    fputs(",\"isLocked\":true,\"measurements\":{", w->out);
    if (!unread) {
        fputs("\"value\":", w->out);
        mt_heat_put_number(w->out, (double)h->tile_numbers[i], "null");
    }
    for (int k = 0; k < w->columns->n && !unread; k++) {
        fputc(',', w->out);
        mt_heat_put_string(w->out, w->columns->names[k]);
        fputc(':', w->out);
        mt_heat_put_number(w->out, w->columns->values[i * w->columns->n + k], "null");
    }
    fputs("}}}", w->out);
}

static bool on_plane(const mt_heatmap *h, int64_t i)
{
    return h->coords->shape[1] < 3 || ((const int64_t *)h->coords->data)[3 * i + 2] == h->plane;
}

static bool begin(writer *w, const mt_result *result, const mt_heat_table_params *params, GError **error)
{
    g_autoptr(mt_tensor) bounds = mt_result_has(result, MT_OBJECT_BOUNDS) ? mt_result_read(result, MT_OBJECT_BOUNDS, NULL) : NULL;
    g_autofree char *headline = mt_result_headline(mt_result_path(result), error);

    if (headline == NULL)
        return false;
    w->threshold = params->threshold > 0 ? params->threshold : DEFAULT_THRESHOLD;
    w->label = w->heatmap->label != NULL ? w->heatmap->label : "Hot";
    w->first = true;
    w->seed = mt_hash_bytes(headline, strlen(headline));
    if (bounds != NULL && bounds->dtype == MT_I64 && mt_tensor_count(bounds) == 4)
        for (int a = 0; a < 2; a++)
            w->corner[a] = (double)((const int64_t *)bounds->data)[a];
    w->columns = mt_heat_columns_new(w->heatmap, result, error);
    return w->columns != NULL;
}

bool mt_heat_geojson_write(const mt_heatmap *heatmap, const mt_result *result, const mt_heat_table_params *params, const char *path,
                           GError **error)
{
    writer              w = {.heatmap = heatmap};
    mt_published_stream stream;
    bool                ok = begin(&w, result, params, error);

    g_autoptr(mt_hot_regions) regions = ok ? mt_hot_regions_new(heatmap, w.threshold, error) : NULL;
    ok = regions != NULL && mt_published_stream_begin(&stream, path, error);
    if (ok) {
        w.out = stream.out;
        fputs("{\"type\":\"FeatureCollection\",\"features\":[", w.out);
        for (int64_t r = 0; r < regions->n; r++)
            put_region(&w, regions, r);
        for (int64_t i = 0; i < heatmap->n_tiles && !params->regions_only; i++)
            if (on_plane(heatmap, i))
                put_tile(&w, i);
        fputs("\n]}\n", w.out);
        ok = mt_published_stream_end(&stream, path, params->replace, true, error);
    }
    g_free(w.seed);
    mt_heat_columns_free(w.columns);
    return ok;
}
