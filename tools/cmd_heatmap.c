#include "tools/command.h"

#include <microtome/batch.h>
#include <microtome/colormap.h>
#include <microtome/heat_figure.h>
#include <microtome/heat_files.h>
#include <microtome/heat_page.h>
#include <microtome/heat_sheet.h>
#include <microtome/heat_tables.h>
#include <microtome/overlay.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What --to writes that is no picture. */
typedef struct table {
    const char *name, *ending;
    bool (*write)(const mt_heatmap *, const mt_result *, const mt_heat_table_params *, const char *, GError **);
} table;

static const table tables[] = {
    {"geojson", ".geojson", mt_heat_geojson_write}, {"csv", ".csv", mt_heat_csv_write}, {"json", ".json", mt_heat_json_write}};

static const char *const figures[] = {"figure", "figure-svg", "figure-pdf", NULL}; /* of mt_figure_format */
static const char *const figure_endings[] = {".figure.png", ".figure.svg", ".figure.pdf"};

typedef enum output { OUTPUT_PAGE, OUTPUT_FILE, OUTPUT_TABLE, OUTPUT_TILES, OUTPUT_FIGURE, OUTPUT_HTML } output;

typedef struct heatmap_options {
    char                 *folder;
    mt_heatmap_params     heatmap;
    const mt_colormap    *colormap;
    output                output;
    const table          *table;
    bool                  regions_only;
    mt_heat_style         style;
    mt_heat_file_params   file; /* its `replace` is for all outputs */
    mt_heat_sheet_params  tiles;
    mt_heat_figure_params figure;
    bool                  open;      /* the first page in the browser */
    const char           *slides;    /* folder of the slides, or the slide */
    char                **reference; /* results, or folders of them; NULL: none */
} heatmap_options;

static const char *ending_of(const heatmap_options *o)
{
    switch (o->output) {
    case OUTPUT_TABLE:
        return o->table->ending;
    case OUTPUT_TILES:
        return ".tiles.png";
    case OUTPUT_HTML:
        return "";
    case OUTPUT_FIGURE:
        return figure_endings[o->figure.format];
    case OUTPUT_FILE:
        return mt_heat_format_ending(o->file.format);
    default:
        return ".png";
    }
}

/* DIR/<result's stem> and the ending */
static char *picture_path(const char *result, const heatmap_options *o)
{
    g_autofree char *name = g_path_get_basename(result);

    if (g_str_has_suffix(name, ".h5"))
        name[strlen(name) - 3] = '\0';
    g_autofree char *file = g_strconcat(name, ending_of(o), NULL);
    return g_build_filename(o->folder, file, NULL);
}

/* The evidence for a class is the score, tile by tile: what a control case withholds is not drawn as such.  Ranks within the case are:
 * who looks for what went wrong needs them. */
static bool may_draw(const char *path, const heatmap_options *o, GError **error)
{
    g_autofree char *why = mt_batch_withheld(path);

    if (why == NULL)
        return true;
    if (o->heatmap.scale == MT_HEAT_PERCENTILE) {
        fprintf(stderr, "microtome heatmap: warning: %s: the score of this case is withheld: %s\n", path, why);
        return true;
    }
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its score is withheld: %s: --scale percentile draws ranks within the case", why);
    return false;
}

static bool write_file(const mt_result *result, const mt_heatmap *heatmap, mt_case *slide, const mt_heat_style *style,
                       const heatmap_options *o, const char *to, GError **error)
{
    mt_heat_picture *picture = mt_heat_picture_new(heatmap, result, slide, style, error);
    bool             ok = picture != NULL && mt_heat_file_write(picture, heatmap, &o->file, to, error);

    mt_heat_picture_free(picture);
    return ok;
}

static bool draw_over_slide(const char *path, const mt_result *result, const mt_heatmap *heatmap, const heatmap_options *o, const char *to,
                            GError **error)
{
    g_autofree char *slide_path = o->slides != NULL ? mt_case_find(o->slides, path, error) : NULL;
    mt_case         *slide = slide_path != NULL ? mt_case_open(slide_path, NULL, error) : NULL;
    mt_heat_style    style = o->style;

    if (o->slides != NULL && slide == NULL)
        return false;
    style.colormap = o->colormap;
    const mt_heat_page_params page = {.colormap = o->colormap,
                                      .threshold = style.threshold,
                                      .um_per_px = o->file.um_per_px,
                                      .quality = o->file.quality,
                                      .threads = o->file.threads,
                                      .replace = o->file.replace};
    bool                      ok = o->output == OUTPUT_HTML     ? mt_heat_page_write(heatmap, result, slide, &page, to, error)
                                   : o->output == OUTPUT_TILES  ? mt_heat_sheet_write(heatmap, result, slide, &o->tiles, to, error)
                                   : o->output == OUTPUT_FIGURE ? mt_heat_figure_write(heatmap, result, slide, &style, &o->figure, to, error)
                                                                : write_file(result, heatmap, slide, &style, o, to, error);
    mt_case_free(slide);
    return ok;
}

/* The page says why a case has no tiles; any other file would say nothing at all. */
static bool has_something(const mt_heatmap *heatmap, const heatmap_options *o, GError **error)
{
    if (heatmap->n_tiles > 0 || heatmap->source >= MT_HEAT_SEGMENTATION || o->output == OUTPUT_PAGE)
        return true;
    g_set_error_literal(error, MT_ERROR, MT_ERROR_INPUT,
                        "it has no tiles (no tissue), so there is nothing to draw: --to page shows the case");
    return false;
}

static bool draw(const char *path, const heatmap_options *o, GError **error)
{
    g_autoptr(mt_result) result = may_draw(path, o, error) ? mt_result_open(path, error) : NULL;
    g_autoptr(mt_heatmap) heatmap = result != NULL ? mt_heatmap_new(result, &o->heatmap, error) : NULL;
    g_autofree char *picture = picture_path(path, o);
    bool             ok = heatmap != NULL && has_something(heatmap, o, error);

    if (ok && o->output == OUTPUT_TABLE)
        ok = o->table->write(
            heatmap, result,
            &(mt_heat_table_params){.threshold = o->style.threshold, .regions_only = o->regions_only, .replace = o->file.replace}, picture,
            error);
    else if (ok)
        ok = o->output == OUTPUT_PAGE ? mt_overlay_png_write(result, heatmap, o->colormap, picture, error)
                                      : draw_over_slide(path, result, heatmap, o, picture, error);
    if (!ok) {
        if (strstr((*error)->message, path) == NULL)
            g_prefix_error(error, "draw %s: ", path);
        return false;
    }
    printf("%s%s\n", picture, o->output == OUTPUT_HTML ? "/index.html" : "");
    return true;
}

/* In the browser, where there is a screen. */
static void open_page(const char *path, const heatmap_options *o)
{
    g_autofree char *folder = picture_path(path, o), *page = g_build_filename(folder, "index.html", NULL);
    char            *argv[] = {(char *)(uintptr_t) "xdg-open", page, NULL};

    if (g_getenv("DISPLAY") != NULL || g_getenv("WAYLAND_DISPLAY") != NULL)
        g_spawn_async(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL,
                      NULL);
}

static int draw_all(char **paths, const heatmap_options *o)
{
    int code = 0, drawn = 0;

    if (g_mkdir_with_parents(o->folder, 0755) != 0) {
        fprintf(stderr, "microtome heatmap: create folder %s: %s\n", o->folder, g_strerror(errno));
        return 74;
    }
    for (; *paths != NULL; paths++) {
        g_autoptr(GError) error = NULL;
        if (draw(*paths, o, &error)) {
            if (o->open && drawn == 0)
                open_page(*paths, o);
            drawn++;
            continue;
        }
        int one = mt_command_fail(&mt_command_heatmap, error);
        code = code == 0 || code == one ? one : 65;
    }
    return code != 0 && drawn > 0 ? 65 : code;
}

/* Words of the options to what they stand for; 64 with a message. */
typedef struct words {
    char *scale, *source, *to, *range;
} words;

static bool find_word(const char *word, const char *const *all, int *at)
{
    for (*at = 0; all[*at] != NULL; (*at)++)
        if (strcmp(all[*at], word) == 0)
            return true;
    return false;
}

static bool read_range(const char *text, double range[2])
{
    char *end, *last;

    range[0] = g_ascii_strtod(text, &end);
    if (end == text || *end != ',')
        return false;
    range[1] = g_ascii_strtod(end + 1, &last);
    return last != end + 1 && *last == '\0' && range[0] < range[1];
}

static bool find_output(const char *name, heatmap_options *o)
{
    int at;

    for (size_t i = 0; i < G_N_ELEMENTS(tables); i++)
        if (strcmp(name, tables[i].name) == 0)
            o->table = &tables[i];
    if (o->table != NULL)
        o->output = OUTPUT_TABLE;
    else if (find_word(name, figures, &at)) {
        o->output = OUTPUT_FIGURE;
        o->figure.format = (mt_figure_format)at;
    } else if (mt_heat_format_parse(name, &o->file.format))
        o->output = OUTPUT_FILE;
    else if (strcmp(name, "tiles") == 0)
        o->output = OUTPUT_TILES;
    else if (strcmp(name, "html") == 0)
        o->output = OUTPUT_HTML;
    else
        return strcmp(name, "page") == 0;
    return true;
}

static int read_words(const words *w, heatmap_options *o)
{
    static const char *const scales[] = {"absolute", "percentile", "zscore", NULL};
    static const char *const sources[] = {"auto",        "evidence", "attention",   "tile-score", "segmentation",
                                          "probability", "error",    "explanation", NULL};
    int                      at;

    if (w->scale != NULL && !find_word(w->scale, scales, &at))
        return mt_command_usage(&mt_command_heatmap, "--scale %s: absolute, percentile or zscore is wanted", w->scale);
    o->heatmap.scale = w->scale != NULL ? (mt_heat_scale)at : MT_HEAT_ABSOLUTE;
    if (w->source != NULL && !find_word(w->source, sources, &at))
        return mt_command_usage(&mt_command_heatmap,
                                "--source %s: auto, evidence, attention, tile-score, segmentation, probability or error is wanted",
                                w->source);
    o->heatmap.source = w->source != NULL ? (mt_heat_source)at : MT_HEAT_AUTO;
    if (w->to != NULL && !find_output(w->to, o))
        return mt_command_usage(&mt_command_heatmap,
                                "--to %s: one of page, html, tiles, figure, figure-svg, figure-pdf, %s, geojson, csv, json is wanted",
                                w->to, mt_heat_format_names());
    if (w->range != NULL && !read_range(w->range, o->heatmap.range))
        return mt_command_usage(&mt_command_heatmap, "--range %s: two numbers that rise are wanted, as 0,0.5", w->range);
    return 0;
}

static int draw_with_reference(char **paths, heatmap_options *o)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) of = mt_command_results((const char *const *)o->reference);

    if (of->len == 1)
        return mt_command_usage(&mt_command_heatmap, "--reference %s: it holds no *.h5", o->reference[0]);
    g_autoptr(mt_heat_reference) reference = mt_heat_reference_read((const char *const *)of->pdata, &o->heatmap, &error);
    if (reference == NULL)
        return mt_command_fail(&mt_command_heatmap, error);
    o->heatmap.reference = reference;
    return draw_all(paths, o);
}

/* A name, or a file of colours. */
static int draw_with_colours(const char *name, char **paths, heatmap_options *o)
{
    g_autoptr(GError) error = NULL;
    bool         is_file = name != NULL && (strchr(name, '/') != NULL || strchr(name, '.') != NULL);
    mt_colormap *own = is_file ? mt_colormap_read(name, &error) : NULL;

    o->colormap = is_file ? own : mt_colormap_find(name, &error);
    int code = o->colormap == NULL    ? mt_command_fail(&mt_command_heatmap, error)
               : o->reference != NULL ? draw_with_reference(paths, o)
                                      : draw_all(paths, o);
    mt_colormap_free(own);
    return code;
}

static int run(int argc, char **argv)
{
    heatmap_options  o = {.heatmap.plane = -1, .tiles = {.top = 12, .bottom = 6}};
    words            w = {0};
    gboolean         force = FALSE, map_only = FALSE, regions_only = FALSE, open = FALSE;
    g_autofree char *colormap = NULL, *label = NULL, *folder = NULL, *slides = NULL;
    g_autofree char *colormap_help = g_strdup_printf("colours: %s, or a file of R,G,B lines", mt_colormap_names());
    g_autofree char *to_help = g_strdup_printf("page (default: slide, legend and decision), html (a folder for the browser), tiles (the "
                                               "highest and lowest), figure, figure-svg, figure-pdf "
                                               "(slide and map side by side), %s, geojson, csv, json",
                                               mt_heat_format_names());
    GOptionEntry     entries[] = {
            {"out", 'o', 0, G_OPTION_ARG_FILENAME, &folder, "folder for <id>.png or what --to writes", "DIR"},
            {"to", 0, 0, G_OPTION_ARG_STRING, &w.to, to_help, "FORMAT"},
            {"open", 0, 0, G_OPTION_ARG_NONE, &open,
             "--to html, and the first page in the browser: opacity, threshold and colours under the reader's hand", NULL},
            {"um-per-px", 0, 0, G_OPTION_ARG_DOUBLE, &o.file.um_per_px, "resolution of what --to writes (default: the case's own)", "X"},
            {"top", 0, 0, G_OPTION_ARG_INT, &o.tiles.top, "highest tiles of --to tiles (default 12)", "N"},
            {"bottom", 0, 0, G_OPTION_ARG_INT, &o.tiles.bottom, "lowest tiles of --to tiles (default 6)", "N"},
            {"slides", 0, 0, G_OPTION_ARG_FILENAME, &slides,
             "draw over the slide itself, from this folder or file (default: the stored picture)", "PATH"},
            {"colormap", 0, 0, G_OPTION_ARG_STRING, &colormap, colormap_help, "NAME"},
            {"class", 0, 0, G_OPTION_ARG_STRING, &label, "class to show (default: the positive one)", "NAME"},
            {"source", 0, 0, G_OPTION_ARG_STRING, &w.source,
             "evidence, attention, tile-score, segmentation, probability or error (default: evidence, else the map that there is)", "WHAT"},
            {"scale", 0, 0, G_OPTION_ARG_STRING, &w.scale,
             "absolute: comparable between cases; percentile: rank within the case; zscore: deviations from its mean", "SCALE"},
            {"reference", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &o.reference,
             "with --scale percentile: rank among the tiles of this result, or of all of a folder, as CLAM does; again for more", "PATH"},
            {"range", 0, 0, G_OPTION_ARG_STRING, &w.range, "numbers drawn coldest and hottest", "LOW,HIGH"},
            {"smooth", 0, 0, G_OPTION_ARG_DOUBLE, &o.heatmap.smooth_um, "sigma of a Gaussian that keeps to the tissue, in µm (default: none)",
             "UM"},
            {"plane", 0, 0, G_OPTION_ARG_INT64, &o.heatmap.plane, "plane of a volume (default: the strongest)", "N"},
            {"alpha", 0, 0, G_OPTION_ARG_DOUBLE, &o.style.alpha, "opacity of the heat, 0 to 1 (default: by the value)", "A"},
            {"threshold", 0, 0, G_OPTION_ARG_DOUBLE, &o.style.threshold,
             "values below stay clear, 0 to 1 (default 0); of regions and their tiles (default 0.5)", "T"},
            {"regions-only", 0, 0, G_OPTION_ARG_NONE, &regions_only, "GeoJSON of the hot regions, without the tiles", NULL},
            {"map-only", 0, 0, G_OPTION_ARG_NONE, &map_only, "the heat on white, without the slide", NULL},
            {"quality", 0, 0, G_OPTION_ARG_INT, &o.file.quality, "of JPEG and WebP, 1 to 100 (default 85)", "Q"},
            {"threads", 0, 0, G_OPTION_ARG_INT, &o.file.threads, "threads (default: the CPUs)", "N"},
            {"force", 0, 0, G_OPTION_ARG_NONE, &force, "replace files that exist (a page is always replaced)", NULL},
            {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};
    int code;

    if (!mt_command_parse(&mt_command_heatmap, entries, &argc, &argv))
        return 64;
    if (argc < 2 || folder == NULL)
        return mt_command_usage(&mt_command_heatmap, "name results (OUT/cases/*.h5) and give -o DIR");
    code = read_words(&w, &o);
    if (code == 0 && !(o.style.threshold >= 0 && o.style.threshold <= 1))
        code = mt_command_usage(&mt_command_heatmap, "--threshold %g: a number from 0 to 1 is wanted", o.style.threshold);
    if (code == 0 && o.reference != NULL && o.heatmap.scale != MT_HEAT_PERCENTILE)
        code = mt_command_usage(&mt_command_heatmap, "--reference ranks: give --scale percentile with it");
    o.folder = folder;
    o.slides = slides;
    o.heatmap.label = label;
    o.style.map_only = map_only;
    o.open = open;
    if (open && w.to != NULL && strcmp(w.to, "html") != 0)
        code = mt_command_usage(&mt_command_heatmap, "--open and --to %s: a page for the browser is --to html", w.to);
    else if (open)
        o.output = OUTPUT_HTML;
    o.regions_only = regions_only;
    o.file.replace = o.tiles.replace = o.figure.replace = force;
    o.file.threads = mt_command_threads(o.file.threads);
    g_free(w.scale);
    g_free(w.source);
    g_free(w.to);
    g_free(w.range);
    code = code != 0 ? code : draw_with_colours(colormap, argv + 1, &o);
    g_strfreev(o.reference);
    return code;
}

const mt_command mt_command_heatmap = {
    .name = "heatmap",
    .arguments = "RESULT.h5...",
    .summary = "Draw what the tiles say over the slide, from stored results; the slide is needed for full resolution alone.",
    .help = "Examples:\n"
            "  microtome heatmap OUT/cases/*.h5 -o maps\n"
            "  microtome heatmap OUT/cases/a.h5 -o maps --to ome --um-per-px 8 --slides slides/\n"
            "  microtome heatmap OUT/cases/a.h5 -o maps --open --slides slides/\n"
            "  microtome heatmap OUT/cases/a.h5 -o maps --to figure-pdf --slides slides/\n"
            "  microtome heatmap OUT/cases/a.h5 -o maps --to png --um-per-px 4 --scale percentile --colormap coolwarm --alpha 0.4",
    .run = run,
};
