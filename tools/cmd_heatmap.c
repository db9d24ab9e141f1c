#include "tools/command.h"

#include <microtome/batch.h>
#include <microtome/colormap.h>
#include <microtome/heatmap.h>
#include <microtome/overlay.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct heatmap_options {
    char             *folder;
    mt_heatmap_params heatmap;
    const char       *colormap;
} heatmap_options;

/* DIR/<result's stem>.png */
static char *picture_path(const char *result, const char *folder)
{
    g_autofree char *name = g_path_get_basename(result);

    if (g_str_has_suffix(name, ".h5"))
        name[strlen(name) - 3] = '\0';
    g_autofree char *png = g_strconcat(name, ".png", NULL);
    return g_build_filename(folder, png, NULL);
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

static bool draw(const char *path, const heatmap_options *o, GError **error)
{
    g_autoptr(mt_result) result = may_draw(path, o, error) ? mt_result_open(path, error) : NULL;
    g_autoptr(mt_heatmap) heatmap = result != NULL ? mt_heatmap_new(result, &o->heatmap, error) : NULL;
    g_autofree char *picture = picture_path(path, o->folder);

    if (heatmap == NULL || !mt_overlay_png_write(result, heatmap, o->colormap, picture, error)) {
        g_prefix_error(error, "draw %s: ", path);
        return false;
    }
    puts(picture);
    return true;
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
            drawn++;
            continue;
        }
        int one = mt_command_fail(&mt_command_heatmap, error);
        code = code == 0 || code == one ? one : 65;
    }
    return code != 0 && drawn > 0 ? 65 : code;
}

static int run(int argc, char **argv)
{
    heatmap_options  o = {.heatmap.plane = -1};
    g_autofree char *colormap = NULL, *label = NULL, *scale = NULL, *folder = NULL;
    g_autofree char *colormap_help = g_strdup_printf("colours: %s", mt_colormap_names());
    GOptionEntry     entries[] = {{"out", 'o', 0, G_OPTION_ARG_FILENAME, &folder, "folder for <id>.png", "DIR"},
                                  {"colormap", 0, 0, G_OPTION_ARG_STRING, &colormap, colormap_help, "NAME"},
                                  {"class", 0, 0, G_OPTION_ARG_STRING, &label, "class to show (default: the positive one)", "NAME"},
                                  {"scale", 0, 0, G_OPTION_ARG_STRING, &scale,
                                   "absolute: class evidence from 0 to 1; percentile: rank within the case", "absolute|percentile"},
                                  {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_heatmap, entries, &argc, &argv))
        return 64;
    if (argc < 2 || folder == NULL)
        return mt_command_usage(&mt_command_heatmap, "name results (OUT/cases/*.h5) and give -o DIR");
    if (scale != NULL && strcmp(scale, "absolute") != 0 && strcmp(scale, "percentile") != 0)
        return mt_command_usage(&mt_command_heatmap, "--scale %s: absolute or percentile is wanted", scale);
    o.folder = folder;
    o.heatmap.label = label;
    o.heatmap.scale = g_strcmp0(scale, "percentile") == 0 ? MT_HEAT_PERCENTILE : MT_HEAT_ABSOLUTE;
    o.colormap = colormap;
    return draw_all(argv + 1, &o);
}

const mt_command mt_command_heatmap = {
    .name = "heatmap",
    .arguments = "RESULT.h5...",
    .summary = "Draw what the tiles say over the slide, from stored results; the slide is not needed.",
    .run = run,
};
