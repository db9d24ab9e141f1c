#include "tools/command.h"

#include <microtome/case.h>

#include <jansson.h>
#include <stdio.h>

static json_t *number_or_null(double value)
{
    return value > 0 ? json_real(value) : json_null();
}

static json_t *levels_to_json(const mt_case *c)
{
    json_t *levels = json_array();

    for (int i = 0; i < mt_case_levels(c); i++) {
        const mt_level *l = mt_case_level(c, i);
        json_array_append_new(levels, json_pack("{s:I s:I s:f s:f}", "width", (json_int_t)l->width, "height", (json_int_t)l->height,
                                                "downsample_x", l->downsample_x, "downsample_y", l->downsample_y));
    }
    return levels;
}

static json_t *case_to_json(const mt_case *c)
{
    const mt_level *l = mt_case_level(c, 0);
    double          x = 0, y = 0;
    int64_t         bounds[4];

    mt_case_mpp(c, &x, &y);
    mt_case_bounds(c, bounds);
    return json_pack("{s:I s:I s:I s:o s:o s:o s:s s:s s:s s:s s:o s:o s:[I,I,I,I] s:s s:i s:s? s:s?}", "width", (json_int_t)l->width,
                     "height", (json_int_t)l->height, "planes", (json_int_t)mt_case_planes(c), "levels", levels_to_json(c), "mpp_x",
                     number_or_null(x), "mpp_y", number_or_null(y), "mpp_source", mt_case_mpp_source(c), "modality", mt_case_modality(c),
                     "backend", mt_case_backend(c), "format", mt_case_format(c), "plane_spacing_um",
                     number_or_null(mt_case_plane_spacing_um(c)), "objective_power", number_or_null(mt_case_objective_power(c)), "bounds",
                     (json_int_t)bounds[0], (json_int_t)bounds[1], (json_int_t)bounds[2], (json_int_t)bounds[3], "dtype",
                     mt_dtype_name(mt_case_dtype(c)), "channels", mt_case_channels(c), "quickhash", mt_case_quickhash(c), "notes",
                     mt_case_notes(c));
}

static void print_text(const mt_case *c)
{
    const mt_level *l = mt_case_level(c, 0);
    double          x, y;

    printf("%s\n  format      %s, read by %s\n  modality    %s\n  size        %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
           " px, %" G_GINT64_FORMAT " plane%s, %s x %d\n",
           mt_case_path(c), mt_case_format(c), mt_case_backend(c), mt_case_modality(c), l->width, l->height, mt_case_planes(c),
           mt_case_planes(c) == 1 ? "" : "s", mt_dtype_name(mt_case_dtype(c)), mt_case_channels(c));
    if (mt_case_mpp(c, &x, &y))
        printf("  µm/px       %.6g x %.6g (from %s), %.2f x %.2f mm\n", x, y, mt_case_mpp_source(c), x * (double)l->width / 1000,
               y * (double)l->height / 1000);
    else
        printf("  µm/px       unknown: %s\n", mt_case_mpp_source(c));
    if (mt_case_plane_spacing_um(c) > 0)
        printf("  planes      %.6g µm apart\n", mt_case_plane_spacing_um(c));
    if (mt_case_notes(c) != NULL)
        printf("  notes       %s\n", mt_case_notes(c));
    if (mt_case_objective_power(c) > 0)
        printf("  objective   %gx\n", mt_case_objective_power(c));
    for (int i = 0; i < mt_case_levels(c); i++) {
        l = mt_case_level(c, i);
        printf("  level %-2d    %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT ", downsample %.6g x %.6g\n", i, l->width, l->height,
               l->downsample_x, l->downsample_y);
    }
}

static int run(int argc, char **argv)
{
    gboolean         json = FALSE;
    g_autofree char *slide_mpp = NULL;
    g_autoptr(GError) error = NULL;
    mt_case_options options = {0};
    GOptionEntry    entries[] = {
           {"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
           {"slide-mpp", 0, 0, G_OPTION_ARG_STRING, &slide_mpp, "the case's own µm per pixel, where its file lacks it", "X[,Y]"},
           {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_info, entries, &argc, &argv))
        return 64;
    if (argc != 2)
        return mt_command_usage(&mt_command_info, "name one case");
    if (slide_mpp != NULL && !mt_command_mpp(&mt_command_info, slide_mpp, &options.mpp_x, &options.mpp_y))
        return 64;
    options.mpp_source = slide_mpp != NULL ? "option" : NULL;
    g_autoptr(mt_case) c = mt_case_open(argv[1], &options, &error);
    if (c == NULL)
        return mt_command_fail(&mt_command_info, error);
    if (json) {
        json_t *object = case_to_json(c);
        json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
        putchar('\n');
        json_decref(object);
    } else
        print_text(c);
    return 0;
}

const mt_command mt_command_info = {
    .name = "info",
    .arguments = "CASE",
    .summary = "Size, levels, µm per pixel and where it came from, modality, backend.",
    .run = run,
};
