#include "tools/command.h"

#include <microtome/folder_prune.h>

#include <stdio.h>
#include <string.h>

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *list(const char *folder)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        if (*name != '.' && g_str_has_suffix(name, ".h5"))
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    return names;
}

static int prune(const char *out, mt_prune keep)
{
    g_autofree char *folder = g_build_filename(out, "cases", NULL);
    g_autoptr(GPtrArray) names = list(folder);
    int64_t before = 0, after = 0;
    int     failed = 0;

    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        fprintf(stderr, "microtome prune: read %s: it is not an output folder of microtome: give the -o of a run\n", out);
        return 66;
    }
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
        g_autoptr(GError) error = NULL;
        int64_t was = 0, is = 0;
        if (!mt_prune_result(path, keep, &was, &is, &error)) {
            fprintf(stderr, "microtome prune: %s\n", error->message);
            failed++;
            if (g_error_matches(error, MT_ERROR, MT_ERROR_IO))
                return 74; /* our disk: the others would fail too */
        }
        before += was;
        after += is;
    }
    printf("%u results: %.1f MB were %.1f MB; failed: %d\n", names->len, (double)after / 1e6, (double)before / 1e6, failed);
    return failed > 0 ? 65 : 0;
}

static int run(int argc, char **argv)
{
    g_autofree char *features = NULL;
    GOptionEntry     entries[] = {{"features", 0, 0, G_OPTION_ARG_STRING, &features, "keep them as float16, or not at all", "f16|none"},
                                  {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL}};

    if (!mt_command_parse(&mt_command_prune, entries, &argc, &argv))
        return 64;
    if (argc != 2)
        return mt_command_usage(&mt_command_prune, "name one output folder");
    if (g_strcmp0(features, "f16") != 0 && g_strcmp0(features, "none") != 0)
        return mt_command_usage(&mt_command_prune, "--features %s: f16 or none is wanted", features != NULL ? features : "");
    return prune(argv[1], strcmp(features, "f16") == 0 ? MT_PRUNE_F16 : MT_PRUNE_NONE);
}

const mt_command mt_command_prune = {
    .name = "prune",
    .arguments = "OUT --features f16|none",
    .summary = "Make the results of a folder smaller: their features as float16, or without them.",
    .help = "Each result is checked, written again and put in the place of the old one, whole; scores, attention, coordinates and pictures "
            "stay.\n"
            "Headline and provenance say what was done.  Without features a case can be shown and evaluated, but not searched by tile,\n"
            "aggregated again or trained on.",
    .run = run,
};
