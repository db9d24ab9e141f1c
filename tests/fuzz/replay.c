/* usage: replay FOLDER...   Runs a fuzz target over every file of the folders, one TAP line each.
 * The sanitizers, a signal or the memory reached tell what is wrong; a hang is the test runner's to end. */
#include "tests/fuzz/fuzz_target.h"

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>

#define PEAK_MAX_KIB (768L << 10) /* the fuzzer's 512 MiB, and what the sanitizers and libraries take */

static int by_name(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

static void add_files(GPtrArray *files, const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        g_ptr_array_add(files, g_build_filename(folder, name, NULL));
}

static bool replay(const char *path)
{
    g_autofree char *bytes = NULL;
    gsize            size;
    struct rusage    usage;

    if (!g_file_get_contents(path, &bytes, &size, NULL))
        return false;
    /* a copy of just this size: the sanitizer then sees a read past its end */
    g_autofree uint8_t *exact = g_memdup2(bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss < PEAK_MAX_KIB;
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    int failed = 0;

    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        add_files(files, argv[i]);
    g_ptr_array_sort(files, by_name);
    printf("1..%u\n", MAX(files->len, 1));
    if (files->len == 0)
        printf("not ok 1 - the corpus is empty\n");
    for (guint i = 0; i < files->len; i++) {
        g_autofree char *name = g_path_get_basename(files->pdata[i]);
        printf("# %s\n", name); /* a crash is then attributed */
        fflush(stdout);
        bool ok = replay(files->pdata[i]);
        failed += !ok;
        printf("%sok %u - %s\n", ok ? "" : "not ", i + 1, name);
    }
    return failed > 0 || files->len == 0;
}
