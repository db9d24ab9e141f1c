#include "tools/command.h"

#include <microtome/geojson.h>
#include <microtome/mask_png.h>
#include <microtome/masker.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

static bool write_files(const mt_mask *mask, const char *folder, GError **error)
{
    g_autofree char *png = g_build_filename(folder, "mask.png", NULL), *geojson = g_build_filename(folder, "tissue.geojson", NULL);

    if (g_mkdir_with_parents(folder, 0755) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "create folder %s: %s", folder, g_strerror(errno));
        return false;
    }
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++) {
        g_autofree char *name = g_strconcat(mt_artefact_name((mt_artefact)k), ".png", NULL), *path = g_build_filename(folder, name, NULL);
        if (mt_mask_excluded(mask) >> k & 1 && !mt_mask_png_write_artefact(mask, (mt_artefact)k, path, true, error))
            return false;
    }
    return mt_mask_png_write(mask, png, true, error) && mt_geojson_write_mask(mask, geojson, true, error);
}

static json_t *area_json(double area)
{
    return area < 0 ? json_null() : json_real(area);
}

/* "pen_mm2" and the like of what was looked for. */
static void add_artefacts(const mt_mask *mask, json_t *object)
{
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++) {
        g_autofree char *key = g_strconcat(mt_artefact_name((mt_artefact)k), "_mm2", NULL);
        if (mt_mask_excluded(mask) >> k & 1)
            json_object_set_new(object, key, area_json(mt_mask_artefact_area_mm2(mask, (mt_artefact)k)));
    }
}

static void print_artefacts(const mt_mask *mask)
{
    for (int k = 0; k < MT_ARTEFACT_KINDS; k++) {
        const char *name = mt_artefact_name((mt_artefact)k);
        double      area = mt_mask_artefact_area_mm2(mask, (mt_artefact)k);
        if (mt_mask_excluded(mask) >> k & 1 && area >= 0)
            printf("%s: %.3f mm2, taken out\n", name, area);
        else if (mt_mask_excluded(mask) >> k & 1)
            printf("%s: %d outlines, taken out\n", name, mt_mask_artefact_n_rings(mask, (mt_artefact)k));
    }
}

static void print_area(const mt_mask *mask, double seconds, bool json)
{
    double  area = mt_mask_area_mm2(mask);
    int64_t width, height;
    int     holes = 0, rings = mt_mask_n_rings(mask);

    mt_mask_size(mask, &width, &height);
    for (int i = 0; i < rings; i++)
        holes += mt_mask_ring(mask, i).hole;
    if (json) {
        json_t *object = json_pack("{s:s s:o s:i s:i s:I s:I s:s? s:f}", "method", mt_mask_method(mask), "area_mm2", area_json(area),
                                   "regions", rings - holes, "holes", holes, "mask_width", (json_int_t)width, "mask_height",
                                   (json_int_t)height, "note", mt_mask_note(mask), "mask_seconds", seconds);
        add_artefacts(mask, object);
        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        json_decref(object);
    } else if (area >= 0)
        printf("%.3f mm2 in %d regions, %d holes (%s)\n", area, rings - holes, holes, mt_mask_method(mask));
    else
        printf("area unknown (no µm per pixel: give --slide-mpp), %d regions, %d holes (%s)\n", rings - holes, holes, mt_mask_method(mask));
    if (!json)
        print_artefacts(mask);
}

static int run(int argc, char **argv)
{
    gboolean         json = FALSE;
    g_autofree char *slide_mpp = NULL, *folder = NULL, *method = NULL, *exclude = NULL;
    g_autoptr(GError) error = NULL;
    unsigned        excluded = 0;
    mt_case_options options = {0};
    GOptionEntry    entries[] = {
           {"out", 'o', 0, G_OPTION_ARG_FILENAME, &folder, "folder for mask.png and tissue.geojson", "DIR"},
           {"mask", 0, 0, G_OPTION_ARG_STRING, &method,
            "otsu, clam:default|heatmap|biopsy|resection|tcga, field, body, none, file:PATH or model:FILE.onnx (default: by the kind of case)",
            "METHOD"},
           {"exclude", 0, 0, G_OPTION_ARG_STRING, &exclude, "artefacts to find and take out of the mask: pen,folds,blur,bubbles", "LIST"},
           {"slide-mpp", 0, 0, G_OPTION_ARG_STRING, &slide_mpp, "the case's own µm per pixel, where its file lacks it", "X[,Y]"},
           {"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
           {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_tissue, entries, &argc, &argv))
        return 64;
    if (argc != 2 || folder == NULL)
        return mt_command_usage(&mt_command_tissue, "name one case and give -o DIR");
    if (slide_mpp != NULL && !mt_command_mpp(&mt_command_tissue, slide_mpp, &options.mpp_x, &options.mpp_y))
        return 64;
    if (!mt_artefacts_parse(exclude, &excluded))
        return mt_command_usage(&mt_command_tissue, "--exclude %s: a list of pen, folds, blur and bubbles is wanted", exclude);
    options.mpp_source = slide_mpp != NULL ? "option" : NULL;
    g_autoptr(mt_case) c = mt_case_open(argv[1], &options, &error);
    g_autoptr(mt_masker) masker = c != NULL ? mt_masker_new(method, &error) : NULL;
    if (masker != NULL)
        mt_masker_exclude(masker, excluded);
    gint64 start = g_get_monotonic_time();
    g_autoptr(mt_mask) mask = masker != NULL ? mt_masker_run(masker, c, NULL, &error) : NULL;
    double seconds = (double)(g_get_monotonic_time() - start) / 1e6;
    if (mask == NULL || !write_files(mask, folder, &error))
        return mt_command_fail(&mt_command_tissue, error);
    if (mt_mask_note(mask) != NULL && !json)
        fprintf(stderr, "microtome tissue: %s\n", mt_mask_note(mask));
    print_area(mask, seconds, json);
    return 0;
}

const mt_command mt_command_tissue = {
    .name = "tissue",
    .arguments = "CASE",
    .summary = "Find the foreground: mask.png, tissue.geojson (opens in QuPath), area in mm2.",
    .run = run,
};
