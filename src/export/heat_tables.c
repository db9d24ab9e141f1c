/* Tiles as CSV and JSON. */
#include "src/base/csv.h"
#include "src/export/heat_columns.h"
#include "src/export/published_stream.h"
#include "src/result/hot_regions.h"

#include <math.h>
#include <string.h>

#define DEFAULT_THRESHOLD 0.5

static const int64_t *row_of(const mt_heatmap *h, int64_t i)
{
    return (const int64_t *)h->coords->data + i * h->coords->shape[1];
}

static int64_t plane_of(const mt_heatmap *h, int64_t i)
{
    return h->coords->shape[1] == 3 ? row_of(h, i)[2] : 0;
}

static void put_header(FILE *out, const mt_heat_columns *columns)
{
    g_autoptr(GString) line = g_string_new("x,y,width,height,plane,valid,value,drawn");

    for (int k = 0; k < columns->n; k++)
        mt_csv_append_text(line, columns->names[k], false);
    fprintf(out, "%s\n", line->str);
}

static void put_row(FILE *out, const mt_heatmap *h, const mt_heat_columns *columns, int64_t i)
{
    fprintf(out, "%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ",", row_of(h, i)[0], row_of(h, i)[1]);
    mt_heat_put_number(out, h->tile_level0[0], "");
    fputc(',', out);
    mt_heat_put_number(out, h->tile_level0[1], "");
    fprintf(out, ",%" G_GINT64_FORMAT ",%d,", plane_of(h, i), !isnan(h->tile_values[i]));
    mt_heat_put_number(out, (double)h->tile_numbers[i], "");
    fputc(',', out);
    mt_heat_put_number(out, (double)h->tile_values[i], "");
    for (int k = 0; k < columns->n; k++) {
        fputc(',', out);
        mt_heat_put_number(out, columns->values[i * columns->n + k], "");
    }
    fputc('\n', out);
}

bool mt_heat_csv_write(const mt_heatmap *heatmap, const mt_result *result, const mt_heat_table_params *params, const char *path,
                       GError **error)
{
    g_autoptr(mt_heat_columns) columns = mt_heat_columns_new(heatmap, result, error);
    mt_published_stream stream;

    if (columns == NULL || !mt_published_stream_begin(&stream, path, error))
        return false;
    put_header(stream.out, columns);
    for (int64_t i = 0; i < heatmap->n_tiles; i++)
        put_row(stream.out, heatmap, columns, i);
    return mt_published_stream_end(&stream, path, params->replace, true, error);
}

static void put_column(FILE *out, const char *name, const float *values, int64_t n, bool last)
{
    fputs("    ", out);
    mt_heat_put_string(out, name);
    fputs(": [", out);
    for (int64_t i = 0; i < n; i++) {
        fputs(i > 0 ? ", " : "", out);
        mt_heat_put_number(out, (double)values[i], "null");
    }
    fputs(last ? "]\n" : "],\n", out);
}

static void put_own_columns(FILE *out, const mt_heat_columns *columns, int64_t n)
{
    for (int k = 0; k < columns->n; k++) {
        fputs("    ", out);
        mt_heat_put_string(out, columns->names[k]);
        fputs(": [", out);
        for (int64_t i = 0; i < n; i++) {
            fputs(i > 0 ? ", " : "", out);
            mt_heat_put_number(out, columns->values[i * columns->n + k], "null");
        }
        fputs("],\n", out);
    }
}

static void put_tiles(FILE *out, const mt_heatmap *h, const mt_heat_columns *columns)
{
    fputs("  \"tiles\": {\n    \"coords\": [", out);
    for (int64_t i = 0; i < h->n_tiles; i++)
        fprintf(out, "%s[%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT ", %" G_GINT64_FORMAT "]", i > 0 ? ", " : "", row_of(h, i)[0],
                row_of(h, i)[1], plane_of(h, i));
    fputs("],\n", out);
    put_own_columns(out, columns, h->n_tiles);
    put_column(out, "value", h->tile_numbers, h->n_tiles, false);
    put_column(out, "drawn", h->tile_values, h->n_tiles, true);
    fputs("  },\n", out);
}

static void put_regions(FILE *out, const mt_heatmap *h, const mt_hot_regions *regions)
{
    fputs("  \"regions\": [", out);
    for (int64_t r = 0; r < regions->n; r++) {
        const mt_hot_region *region = &regions->regions[r];
        fprintf(out, "%s\n    {\"tiles\": %" G_GINT64_FORMAT ", \"area_px\": ", r > 0 ? "," : "", region->tiles);
        mt_heat_put_number(out, region->area, "null");
        fputs(", \"area_mm2\": ", out);
        mt_heat_put_number(out, h->mpp[0] > 0 ? region->area * h->mpp[0] * h->mpp[1] / 1e6 : (double)NAN, "null");
        fputs(", \"mean\": ", out);
        mt_heat_put_number(out, region->mean, "null");
        fputs(", \"peak\": ", out);
        mt_heat_put_number(out, region->peak, "null");
        fputc('}', out);
    }
    fputs(regions->n > 0 ? "\n  ]\n" : "]\n", out);
}

static void put_head(FILE *out, const mt_heatmap *h)
{
    static const char *const scales[] = {"absolute", "percentile", "zscore"};

    fputs("{\n  \"class\": ", out);
    mt_heat_put_string(out, h->label);
    fputs(",\n  \"meaning\": ", out);
    mt_heat_put_string(out, h->meaning);
    fprintf(out, ",\n  \"scale\": \"%s\",\n  \"range\": [", scales[h->scale]);
    mt_heat_put_number(out, h->range[0], "null");
    fputs(", ", out);
    mt_heat_put_number(out, h->range[1], "null");
    fprintf(out, "],\n  \"plane\": %" G_GINT64_FORMAT ",\n  \"size\": [%.0f, %.0f],\n  \"tile\": [", h->plane, h->level0_size[0],
            h->level0_size[1]);
    mt_heat_put_number(out, h->tile_level0[0], "null");
    fputs(", ", out);
    mt_heat_put_number(out, h->tile_level0[1], "null");
    fputs("],\n  \"mpp\": ", out);
    mt_heat_put_number(out, h->mpp[0] > 0 ? h->mpp[0] : (double)NAN, "null");
    fputs(",\n", out);
}

bool mt_heat_json_write(const mt_heatmap *heatmap, const mt_result *result, const mt_heat_table_params *params, const char *path,
                        GError **error)
{
    g_autoptr(mt_heat_columns) columns = mt_heat_columns_new(heatmap, result, error);
    g_autoptr(mt_hot_regions) regions =
        columns != NULL ? mt_hot_regions_new(heatmap, params->threshold > 0 ? params->threshold : DEFAULT_THRESHOLD, error) : NULL;
    mt_published_stream stream;

    if (regions == NULL || !mt_published_stream_begin(&stream, path, error))
        return false;
    put_head(stream.out, heatmap);
    put_tiles(stream.out, heatmap, columns);
    put_regions(stream.out, heatmap, regions);
    fputs("}\n", stream.out);
    return mt_published_stream_end(&stream, path, params->replace, true, error);
}
