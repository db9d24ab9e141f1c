#include "tools/command.h"

#include <microtome/case.h>
#include <microtome/recipe.h>

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

static const char *state_of(const mt_series *s)
{
    return s->chosen == NULL      ? s->skip != MT_SERIES_OPEN ? "skipped"
                                    : s->reason != NULL       ? "passed over"
                                                              : ""
           : s->chosen[0] == '\0' ? "selected"
                                  : s->chosen;
}

static json_t *series_to_json(const mt_series *s)
{
    static const char *const contrasts[] = {"none", "given", "unsure"};

    return json_pack("{s:i s:b s:s? s:s? s:s? s:I s:I s:I s:s? s:s? s:s? s:s? s:s? s:s? s:o s:o s:s s:o s:o s:o s:s?}", "series", s->number,
                     "selected", s->chosen != NULL, "role", s->chosen, "reason", s->reason, "modality", s->modality, "images",
                     (json_int_t)s->images, "width", (json_int_t)s->columns, "height", (json_int_t)s->rows, "orientation", s->orientation,
                     "body_part", s->body_part, "view", s->view, "laterality", s->laterality, "description", s->description, "protocol",
                     s->protocol, "thickness_mm", number_or_null(s->thickness_mm), "spacing_mm", number_or_null(s->spacing_mm), "contrast",
                     contrasts[s->contrast], "repetition_ms", number_or_null(s->repetition_ms), "echo_ms", number_or_null(s->echo_ms),
                     "inversion_ms", number_or_null(s->inversion_ms), "image_type", s->image_type);
}

static void print_study_json(const mt_study *study, const GError *refusal)
{
    json_t *all = json_array(), *damaged = json_array();

    for (int i = 0; i < mt_study_count(study); i++)
        json_array_append_new(all, series_to_json(mt_study_get(study, i)));
    for (int i = 0; mt_study_damaged(study, i) != NULL; i++)
        json_array_append_new(damaged, json_string(mt_study_damaged(study, i)));
    json_t *object = json_pack("{s:o s:o s:s?}", "study", all, "damaged", damaged, "error", refusal != NULL ? refusal->message : NULL);
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    putchar('\n');
    json_decref(object);
}

static void print_study_text(const char *path, const mt_study *study)
{
    printf("%s\n  %d series\n", path, mt_study_count(study));
    for (int i = 0; i < mt_study_count(study); i++) {
        const mt_series *s = mt_study_get(study, i);
        g_autofree char *text = mt_series_text(s);
        printf("  [%d]%s %-11s %s%s%s\n", s->number, s->number < 10 ? " " : "", state_of(s), text, s->reason != NULL ? ": " : "",
               s->reason != NULL ? s->reason : "");
    }
    for (int i = 0; mt_study_damaged(study, i) != NULL; i++)
        printf("  damaged file %s\n", mt_study_damaged(study, i));
}

/* The table of a study; with a recipe's rules what they choose, and with what exit code they refuse it. */
static int show_study(const char *path, mt_study *study, const mt_recipe *recipe, bool json)
{
    g_autoptr(GError) refusal = NULL;

    if (recipe != NULL)
        mt_recipe_choose_series(recipe, study, &refusal);
    if (json)
        print_study_json(study, refusal);
    else
        print_study_text(path, study);
    return refusal != NULL ? mt_command_fail(&mt_command_info, refusal) : 0;
}

/* A folder of several series of images: it is no case by itself, and nothing is wrong with it.  NULL for anything else. */
static mt_study *study_of_many(const char *path)
{
    g_autoptr(mt_study) study = mt_study_matches(path) ? mt_study_open(path, NULL) : NULL;
    int images = 0;

    for (int i = 0; study != NULL && i < mt_study_count(study); i++)
        images += mt_study_get(study, i)->images > 0;
    return images > 1 ? g_steal_pointer(&study) : NULL;
}

static int run(int argc, char **argv)
{
    gboolean         json = FALSE;
    g_autofree char *slide_mpp = NULL, *recipe_path = NULL;
    g_autoptr(mt_recipe) recipe = NULL;
    g_autoptr(GError) error = NULL;
    mt_case_options options = {0};
    GOptionEntry    entries[] = {
           {"json", 0, 0, G_OPTION_ARG_NONE, &json, "machine output", NULL},
           {"slide-mpp", 0, 0, G_OPTION_ARG_STRING, &slide_mpp, "the case's own µm per pixel, where its file lacks it", "X[,Y]"},
           {"recipe", 'r', 0, G_OPTION_ARG_FILENAME, &recipe_path, "choose among the series of a study by its [series]", "RECIPE.ini"},
           {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_info, entries, &argc, &argv))
        return 64;
    if (argc != 2)
        return mt_command_usage(&mt_command_info, "name one case");
    if (slide_mpp != NULL && !mt_command_mpp(&mt_command_info, slide_mpp, &options.mpp_x, &options.mpp_y))
        return 64;
    options.mpp_source = slide_mpp != NULL ? "option" : NULL;
    if (recipe_path != NULL && (recipe = mt_recipe_load(recipe_path, &error)) == NULL)
        return mt_command_fail(&mt_command_info, error);
    if (recipe != NULL && recipe->n_series > 0 && mt_study_matches(argv[1])) {
        g_autoptr(mt_study) study = mt_study_open(argv[1], &error);
        return study != NULL ? show_study(argv[1], study, recipe, json) : mt_command_fail(&mt_command_info, error);
    }
    g_autoptr(mt_case) c = mt_case_open(argv[1], &options, &error);
    g_autoptr(mt_study) many = c == NULL ? study_of_many(argv[1]) : NULL;
    if (many != NULL)
        return show_study(argv[1], many, NULL, json);
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
    .summary = "Size, levels, µm per pixel and where it came from, modality, backend; of a study of many series a table of them.",
    .run = run,
};
