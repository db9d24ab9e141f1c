/* The folder's precision, with a worker made of shell: what the supervisor tells it, and what it does when another run came first. */
#include <microtome/batch.h>

#include <glib/gstdio.h>
#include <string.h>

/* Answers every `load` as a pipeline would that follows folder_precision where it is given and else chooses $OWN; $RECIPE is written
 * before the first answer, as another machine's run would. */
static const char script[] =
    "#!/bin/sh\n"
    "while read -r load; do\n"
    "  own=%s\n"
    "  if [ -n '%s' ] && [ ! -e %s/recipe.ini ]; then printf '[encoder]\\nprecision=%s\\n' > %s/recipe.ini; fi\n"
    "  case \"$load\" in *folder_precision*bf16*) own=bf16 ;; *folder_precision*fp32*) own=fp32 ;; esac\n"
    "  printf '{\"event\":\"loaded\",\"resolved\":\"[encoder]\\\\nprecision=%%s\\\\n\",\"demonstration\":false}\\n' $own >&3\n"
    "done\n";

typedef struct heard {
    char *warning;
} heard;

static void hear(void *user, const mt_batch_event *event)
{
    heard *h = user;

    g_assert_cmpint(event->kind, ==, MT_BATCH_WARNED);
    g_assert_null(event->c);
    g_assert_null(h->warning);
    h->warning = g_strdup(event->message);
}

static void remove_folder(const char *folder)
{
    g_autofree char *command = g_strdup_printf("rm -r %s", folder);

    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
}

/* No case at all: the worker is loaded, the recipe held against the folder's, and that is all. */
static bool run_nothing(const char *wanted, const char *own, const char *others, char **recipe_ini, char **warning, GError **error)
{
    g_autofree char *folder = g_dir_make_tmp("microtome-XXXXXX", NULL), *out = g_build_filename(folder, "out", NULL);
    g_autofree char *program = g_build_filename(folder, "worker.sh", NULL), *path = g_build_filename(out, "recipe.ini", NULL);
    g_autofree char *text = g_strdup_printf(script, own, others, out, others, out);
    g_autoptr(mt_recipe) recipe = mt_recipe_new();
    g_autoptr(GPtrArray) cases = g_ptr_array_new();
    heard            h = {0};
    mt_batch_totals  totals;
    mt_batch_options options = {.recipe = recipe, .out = out, .threads = 1, .workers = 1, .program = program, .event = hear, .user = &h};

    g_assert_true(g_file_set_contents(program, text, -1, NULL));
    g_assert_cmpint(g_chmod(program, 0700), ==, 0);
    recipe->precision = g_strdup(wanted);
    bool ok = mt_batch_run(cases, &options, &totals, error);
    mt_batch_totals_clear(&totals);
    g_file_get_contents(path, recipe_ini, NULL, NULL);
    *warning = h.warning;
    remove_folder(folder);
    return ok;
}

static void test_first(void)
{
    g_autofree char *recipe = NULL, *warning = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(run_nothing("auto", "fp32", "", &recipe, &warning, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(recipe, ==, "[encoder]\nprecision=fp32\n");
    g_assert_null(warning);
}

/* Another machine gave the empty folder its recipe while we loaded: its precision is taken. */
static void test_overtaken(void)
{
    g_autofree char *recipe = NULL, *warning = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(run_nothing(NULL, "fp32", "bf16", &recipe, &warning, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(recipe, ==, "[encoder]\nprecision=bf16\n");
    g_assert_true((warning == NULL) == mt_precision_is_native(MT_PRECISION_BF16));
    if (warning != NULL)
        g_assert_cmpstr(warning, ==, "precision bf16: this CPU has no AVX-512 BF16, so it is slower than fp32 here");
}

/* A precision that was named is never given up. */
static void test_named(void)
{
    g_autofree char *recipe = NULL, *warning = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(run_nothing("fp32", "fp32", "bf16", &recipe, &warning, &error));
    g_assert_error(error, MT_ERROR, MT_ERROR_USAGE);
    g_assert_nonnull(strstr(error->message, "it holds results of another recipe (the folder has 'precision=bf16', this run "
                                            "'precision=fp32'): choose another folder"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/batch-folder/first", test_first);
    g_test_add_func("/batch-folder/overtaken", test_overtaken);
    g_test_add_func("/batch-folder/named", test_named);
    return g_test_run();
}
