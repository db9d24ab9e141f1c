#include "tools/command.h"

#include "src/base/size.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

bool mt_command_parse(const mt_command *command, const GOptionEntry *entries, int *argc, char ***argv)
{
    g_autofree char *usage = g_strdup_printf("%s", command->arguments);
    g_autoptr(GOptionContext) context = g_option_context_new(usage);
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("microtome %s", command->name);

    g_set_prgname(name);
    g_option_context_set_summary(context, command->summary);
    if (command->help != NULL)
        g_option_context_set_description(context, command->help);
    g_option_context_add_main_entries(context, entries, NULL);
    if (g_option_context_parse(context, argc, argv, &error))
        return true;
    mt_command_usage(command, "%s", error->message);
    return false;
}

int mt_command_fail(const mt_command *command, const GError *error)
{
    fprintf(stderr, "microtome %s: %s\n", command->name, error->message);
    return mt_error_exit_code(error);
}

int mt_command_usage(const mt_command *command, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "microtome %s: ", command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nSee microtome %s --help.\n", command->name);
    return 64;
}

bool mt_command_mpp(const mt_command *command, const char *text, double *x, double *y)
{
    char *end;

    *x = g_ascii_strtod(text, &end);
    *y = *end == ',' ? g_ascii_strtod(end + 1, &end) : *x;
    if (end != text && *end == '\0' && isfinite(*x) && isfinite(*y) && *x > 0 && *y > 0)
        return true;
    mt_command_usage(command, "--slide-mpp %s: one or two positive numbers of µm per pixel are wanted, as 0.5 or 0.5,0.5", text);
    return false;
}

bool mt_command_size(const mt_command *command, const char *option, const char *text, int64_t at_least, int64_t *bytes)
{
    if (mt_size_parse(text, bytes) && *bytes >= at_least)
        return true;
    if (at_least > 1)
        mt_command_usage(command, "%s %s: a size of %" G_GINT64_FORMAT "M or more is wanted, as 800M or 4G", option, text, at_least >> 20);
    else
        mt_command_usage(command, "%s %s: a size is wanted, as 800M or 4G", option, text);
    return false;
}

bool mt_command_precision(const mt_command *command, const char *text, mt_precision *precision)
{
    *precision = MT_PRECISION_FP32;
    if (text == NULL || mt_precision_parse(text, precision))
        return true;
    mt_command_usage(command, "--precision %s: fp32, bf16 or int8 is wanted", text);
    return false;
}

bool mt_command_stain(const mt_command *command, const char *text, mt_recipe *recipe)
{
    g_autoptr(GError) error = NULL;

    if (text == NULL || mt_recipe_set_stain(recipe, text, &error))
        return true;
    mt_command_usage(command, "%s", error->message);
    return false;
}

bool mt_command_compat(const mt_command *command, const char *text, mt_compat *compat)
{
    if (text == NULL || mt_compat_parse(text, compat))
        return true;
    mt_command_usage(command, "--compat %s: trident or clam is wanted", text);
    return false;
}

int mt_command_threads(int wanted)
{
    cpu_set_t set;

    if (wanted > 0)
        return wanted;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The *.h5 of a folder, of its cases/ where it is the output of a run; false for what is no folder. */
static bool add_folder(GPtrArray *paths, const char *argument)
{
    g_autofree char *inside = g_build_filename(argument, "cases", NULL);
    const char      *folder = g_file_test(inside, G_FILE_TEST_IS_DIR) ? inside : argument;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    if (dir == NULL)
        return false;
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
        if (*name != '.' && g_str_has_suffix(name, ".h5"))
            g_ptr_array_add(found, g_build_filename(folder, name, NULL));
    g_ptr_array_sort(found, by_name);
    g_ptr_array_extend_and_steal(paths, g_steal_pointer(&found));
    return true;
}

GPtrArray *mt_command_results(const char *const *arguments)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);

    for (; *arguments != NULL; arguments++)
        if (!add_folder(paths, *arguments))
            g_ptr_array_add(paths, g_strdup(*arguments));
    g_ptr_array_add(paths, NULL);
    return paths;
}
