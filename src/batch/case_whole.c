#include "src/batch/case_whole.h"

#include "src/base/hash.h"
#include "src/case/case_files.h"

#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#define DEEPEST 4
#define INDEX_BYTES (1 << 20)

typedef struct look {
    GString *text;
    char    *missing;
} look;

static void miss(look *l, const char *path)
{
    if (l->missing == NULL)
        l->missing = g_path_get_basename(path);
}

static void add_folder(look *l, const char *folder, int depth);

static void add_file(look *l, const char *path, int depth)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        miss(l, path);
        return;
    }
    if (S_ISDIR(status.st_mode)) {
        if (depth < DEEPEST)
            add_folder(l, path, depth + 1);
        return;
    }
    if (status.st_size == 0)
        miss(l, path);
    g_string_append_printf(l->text, "%s %jd %jd.%09ld %ju\n", path, (intmax_t)status.st_size, (intmax_t)status.st_mtim.tv_sec,
                           status.st_mtim.tv_nsec, (uintmax_t)status.st_ino);
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_folder(look *l, const char *folder, int depth)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
        add_file(l, path, depth);
    }
}

static char *with_ending(const char *path, const char *from, const char *to)
{
    size_t n = strlen(path), m = strlen(from);

    return n > m && g_ascii_strcasecmp(path + n - m, from) == 0 ? g_strdup_printf("%.*s%s", (int)(n - m), path, to) : NULL;
}

/* The values of keys that begin so, in `Key = value` lines: files beside the index. */
static void want_named(look *l, const char *index, const char *const *keys, const char *folder)
{
    g_autofree char *text = NULL;
    gsize            bytes = 0;

    if (!g_file_get_contents(index, &text, &bytes, NULL) || bytes > INDEX_BYTES)
        return;
    g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        char *value = strchr(*line, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        g_strstrip(*line);
        g_strstrip(value);
        for (const char *const *key = keys; *key != NULL; key++) {
            g_autofree char *path = g_build_filename(folder, value, NULL);
            if (g_str_has_prefix(*line, *key) && *value != '\0' && strchr(value, '/') == NULL && !g_file_test(path, G_FILE_TEST_IS_REGULAR))
                miss(l, path);
        }
    }
}

/* FILE_COUNT is no file: the keys of data files are FILE_0, FILE_1, ... */
static void want_mirax(look *l, const char *folder)
{
    static const char *const keys[] = {"INDEXFILE", "FILE_0", "FILE_1", "FILE_2", "FILE_3", "FILE_4",
                                       "FILE_5",    "FILE_6", "FILE_7", "FILE_8", "FILE_9", NULL};
    g_autofree char         *index = g_build_filename(folder, "Slidedat.ini", NULL);

    if (!g_file_test(index, G_FILE_TEST_IS_REGULAR))
        miss(l, index);
    want_named(l, index, keys, folder);
}

static bool is_beside(const char *folder, const char *stem, const char *ending)
{
    g_autofree char *name = g_strconcat(stem, ending, NULL), *path = g_build_filename(folder, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* The pictures of a VMS slide may be there before their .vms: NAME.jpg, NAME_map2.jpg, NAME(1,0).jpg, beside NAME.opt. */
static void want_vms(look *l, const char *path, const char *folder)
{
    g_autofree char *jpeg = with_ending(path, ".jpg", ""), *stem = jpeg != NULL ? g_path_get_basename(jpeg) : NULL;
    g_autoptr(GRegex) part = g_regex_new("(_map2|\\([0-9]+,[0-9]+(,-?[0-9]+)?\\))$", 0, 0, NULL);

    if (stem == NULL || !g_utf8_validate(stem, -1, NULL))
        return;
    g_autofree char *whole = g_regex_replace_literal(part, stem, -1, 0, "", 0, NULL);
    bool             is_part = whole != NULL && strcmp(whole, stem) != 0;
    if (is_part || is_beside(folder, stem, ".opt") || is_beside(folder, stem, "_map2.jpg") || is_beside(folder, stem, "(1,0).jpg") ||
        is_beside(folder, stem, "(0,1).jpg")) {
        g_autofree char *index = g_strconcat(is_part ? whole : stem, ".vms", NULL);
        miss(l, index);
    }
}

static void want_parts(look *l, const char *path)
{
    static const char *const hamamatsu[] = {"ImageFile", "MapFile", "OptimisationFile", NULL};
    static const char *const pairs[][2] = {{".hdr", ".img"}, {".hdr.gz", ".img.gz"}};
    g_autofree char *mirax = with_ending(path, ".mrxs", ""), *vms = with_ending(path, ".vms", ""), *vmu = with_ending(path, ".vmu", ""),
                    *folder = g_path_get_dirname(path);

    if (mirax != NULL)
        want_mirax(l, mirax);
    if (vms != NULL || vmu != NULL)
        want_named(l, path, hamamatsu, folder);
    want_vms(l, path, folder);
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *other = with_ending(path, pairs[i][0], pairs[i][1]);
        if (other != NULL && !g_file_test(other, G_FILE_TEST_IS_REGULAR))
            miss(l, other);
    }
}

char *mt_case_whole_look(const char *path, char **missing)
{
    g_autoptr(GPtrArray) files = mt_case_files(path);
    g_autoptr(GString) text = g_string_new(NULL);
    look l = {.text = text};

    *missing = NULL;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return NULL;
    for (guint i = 0; i < files->len; i++)
        add_file(&l, files->pdata[i], 0);
    want_parts(&l, path);
    *missing = l.missing;
    return mt_hash_bytes(text->str, text->len);
}
