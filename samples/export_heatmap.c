/* microtome-export-heatmap: the heatmap of a result as PNG, GeoJSON for QuPath and CSV.  The public API alone.
 *
 *     microtome-export-heatmap OUT/cases/slide-001.h5 MAPS/slide-001 [SLIDE]      writes MAPS/slide-001.png, .geojson and .csv
 *
 * Over the slide where it is named, at 8 µm/px where the case has µm/px; else over the picture that the result keeps. */
#include <microtome/heat_files.h>
#include <microtome/heat_tables.h>

#include <stdio.h>

static bool write_picture(const mt_heatmap *heatmap, const mt_result *result, const char *slide_path, const char *path, GError **error)
{
    mt_heat_style       style = {.alpha = 0.4}; /* the default colours */
    mt_heat_file_params params = {.format = MT_HEAT_PNG, .um_per_px = heatmap->mpp[0] > 0 ? 8 : 0, .replace = true};
    g_autoptr(mt_case) slide = slide_path != NULL ? mt_case_open(slide_path, NULL, error) : NULL;

    if (slide_path != NULL && slide == NULL)
        return false;
    g_autoptr(mt_heat_picture) picture = mt_heat_picture_new(heatmap, result, slide, &style, error);
    return picture != NULL && mt_heat_file_write(picture, heatmap, &params, path, error);
}

static bool write_files(const mt_result *result, const char *stem, const char *slide, GError **error)
{
    mt_heatmap_params    params = {.plane = -1}; /* the positive class on the absolute scale */
    mt_heat_table_params tables = {.threshold = 0.5, .replace = true};
    g_autoptr(mt_heatmap) heatmap = mt_heatmap_new(result, &params, error);
    g_autofree char *png = g_strconcat(stem, ".png", NULL), *geojson = g_strconcat(stem, ".geojson", NULL);
    g_autofree char *csv = g_strconcat(stem, ".csv", NULL);

    if (heatmap == NULL)
        return false;
    printf("%s: %s, %" G_GINT64_FORMAT " tiles\n", heatmap->label != NULL ? heatmap->label : "heat", heatmap->meaning, heatmap->n_tiles);
    return write_picture(heatmap, result, slide, png, error) && mt_heat_geojson_write(heatmap, result, &tables, geojson, error) &&
           mt_heat_csv_write(heatmap, result, &tables, csv, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: microtome-export-heatmap RESULT.h5 STEM [SLIDE]\n");
        return 64;
    }
    g_autoptr(mt_result) result = mt_result_open(argv[1], &error);
    if (result != NULL && write_files(result, argv[2], argc == 4 ? argv[3] : NULL, &error))
        return 0;
    fprintf(stderr, "microtome-export-heatmap: %s\n", error->message);
    return mt_error_exit_code(error);
}
