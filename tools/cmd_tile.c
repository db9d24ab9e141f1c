#include "tools/command.h"

#include <microtome/batch.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool on_progress(void *user, int64_t done, int64_t total)
{
    (void)user;
    if (isatty(STDERR_FILENO) && (done % 64 == 0 || done == total))
        fprintf(stderr, "\r%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " tiles%s", done, total, done == total ? "\n" : "");
    return true;
}

static bool check(const mt_recipe *recipe)
{
    if (recipe->mpp < 0)
        mt_command_usage(&mt_command_tile, "give the wanted µm per pixel with --mpp (0 = level 0 as it is)");
    else if (recipe->tile_px < 16 || recipe->tile_px > 4096)
        mt_command_usage(&mt_command_tile, "--tile %d: 16 to 4096 is wanted", recipe->tile_px);
    else if (!(recipe->overlap >= 0 && recipe->overlap <= 0.99) || !(recipe->min_share >= 0 && recipe->min_share <= 1))
        mt_command_usage(&mt_command_tile, "--overlap is 0 to 0.99, --min-share 0 to 1");
    else
        return true;
    return false;
}

static int run(int argc, char **argv)
{
    g_autoptr(mt_recipe) recipe = mt_recipe_new();
    g_autofree char *folder = NULL, *slide_mpp = NULL, *stain = NULL;
    g_autoptr(GError) error = NULL;
    mt_job       job = {0};
    GOptionEntry entries[] = {
        {"out", 'o', 0, G_OPTION_ARG_FILENAME, &folder, "folder for the tiles and coords.h5", "DIR"},
        {"mpp", 0, 0, G_OPTION_ARG_DOUBLE, &recipe->mpp, "wanted µm per pixel; 0 reads level 0 as it is", "F"},
        {"slide-mpp", 0, 0, G_OPTION_ARG_STRING, &slide_mpp, "the case's own µm per pixel, where its file lacks it", "X[,Y]"},
        {"tile", 0, 0, G_OPTION_ARG_INT, &recipe->tile_px, "edge of a tile (default 256)", "PX"},
        {"overlap", 0, 0, G_OPTION_ARG_DOUBLE, &recipe->overlap, "share of an edge by which tiles overlap", "F"},
        {"mask", 0, 0, G_OPTION_ARG_STRING, &recipe->mask_method, "otsu, clam:PRESET, field, body, none, file:PATH or model:FILE.onnx",
         "METHOD"},
        {"min-share", 0, 0, G_OPTION_ARG_DOUBLE, &recipe->min_share, "smallest share of mask in a tile (default 0.5)", "F"},
        {"stain", 0, 0, G_OPTION_ARG_FILENAME, &stain, "normalise stains: macenko or reinhard, to a default or the colours of IMAGE",
         "METHOD[:IMAGE]"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    recipe->tile_px = 256;
    if (!mt_command_parse(&mt_command_tile, entries, &argc, &argv))
        return 64;
    if (argc != 2 || folder == NULL)
        return mt_command_usage(&mt_command_tile, "name one case and give -o DIR");
    if (!mt_command_stain(&mt_command_tile, stain, recipe) || !check(recipe) ||
        (slide_mpp != NULL && !mt_command_mpp(&mt_command_tile, slide_mpp, &job.mpp_x, &job.mpp_y)))
        return 64;
    job.path = argv[1];
    job.mpp_source = slide_mpp != NULL ? "option" : NULL;
    g_autofree char *name = g_path_get_basename(argv[1]), *id = mt_batch_case_id(name);
    job.id = id;
    int64_t n = mt_pipeline_cut(recipe, &job, folder, on_progress, NULL, &error);
    if (n < 0)
        return mt_command_fail(&mt_command_tile, error);
    printf("%" G_GINT64_FORMAT " tiles in %s\n", n, folder);
    return 0;
}

const mt_command mt_command_tile = {
    .name = "tile",
    .arguments = "CASE",
    .summary = "Cut a case into tile images at an exact µm per pixel, with coords.h5.",
    .run = run,
};
