#include "src/batch/case_listing.h"

#include "src/case/case_files.h"
#include "src/case/study.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEEPEST 32
#define DEEPEST_STUDY 8 /* as far as a study is read */

typedef struct listing {
    GPtrArray  *paths, *skipped;
    GPtrArray  *pictures; /* plain ones: cases, unless there are slides */
    bool        studies;  /* a DICOM study of many folders is one case */
    GHashTable *seen;     /* "device:inode" of the folders above and beside: links may lead in circles */
} listing;

/* What the backends of src/case open, by name: OpenSlide's and NIfTI's, and libvips' plain pictures. */
static const char *const ENDINGS[] = {".svs", ".tif", ".tiff", ".ndpi",   ".vms",    ".vmu", ".scn", ".mrxs", ".svslide",
                                      ".bif", ".nii", ".hdr",  ".nii.gz", ".hdr.gz", ".mha", ".mhd", ".nrrd", ".nhdr"};
static const char *const PICTURES[] = {".png", ".jpg", ".jpeg", ".webp", ".ppm", ".pgm", ".pnm"};

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);

    return n > m && g_ascii_strcasecmp(name + n - m, ending) == 0;
}

static bool is_supported(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ENDINGS); i++)
        if (ends_with(name, ENDINGS[i]))
            return true;
    return false;
}

static bool is_picture(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(PICTURES); i++)
        if (ends_with(name, PICTURES[i]))
            return true;
    return false;
}

static bool is_dicom(const char *name)
{
    return ends_with(name, ".dcm") || ends_with(name, ".dicom");
}

/* By the mark behind its preamble: scanners name files by number or identifier. */
static bool has_dicom_mark(const char *path)
{
    char  mark[132];
    FILE *file = fopen(path, "rbe");
    bool  marked = file != NULL && fread(mark, sizeof mark, 1, file) == 1 && memcmp(mark + 128, "DICM", 4) == 0;

    if (file != NULL)
        fclose(file);
    return marked;
}

/* A file of pixels: the index of a medium has the mark too. */
static bool is_dicom_file(const char *path, const char *name)
{
    if (is_dicom(name))
        return true;
    return g_ascii_strcasecmp(name, "DICOMDIR") != 0 && !is_supported(name) && !is_picture(name) && !ends_with(name, ".csv") &&
           g_file_test(path, G_FILE_TEST_IS_REGULAR) && has_dicom_mark(path);
}

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a folder, sorted, without the hidden ones; NULL with errno. */
static GPtrArray *list_names(const char *folder)
{
    DIR *dir = opendir(folder);

    if (dir == NULL)
        return NULL;
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            g_ptr_array_add(names, g_strdup(entry->d_name));
    int saved = errno;
    closedir(dir);
    g_ptr_array_sort(names, by_name);
    if (saved != 0)
        g_clear_pointer(&names, g_ptr_array_unref);
    errno = saved;
    return names;
}

/* Not the file alone, but the folder of a MIRAX slide too. */
static void note_parts(GHashTable *parts, const char *path)
{
    g_autoptr(GPtrArray) files = mt_case_files(path);

    for (guint i = 0; i < files->len; i++)
        if (strcmp(files->pdata[i], path) != 0)
            g_hash_table_add(parts, g_strdup(files->pdata[i]));
    if (ends_with(path, ".mrxs"))
        g_hash_table_add(parts, g_strndup(path, strlen(path) - strlen(".mrxs")));
}

static bool is_output(const char *folder)
{
    g_autofree char *recipe = g_build_filename(folder, "recipe.ini", NULL), *runs = g_build_filename(folder, "runs", NULL);

    return g_file_test(recipe, G_FILE_TEST_IS_REGULAR) && g_file_test(runs, G_FILE_TEST_IS_DIR);
}

static void skip(listing *l, const char *name, const char *why)
{
    g_ptr_array_add(l->skipped, g_strdup_printf("%s (%s)", name, why));
}

static void take_file(listing *l, const char *path, const char *name, bool lone_dicom)
{
    bool dicom = is_dicom_file(path, name);

    if (is_supported(name))
        g_ptr_array_add(l->paths, g_strdup(path));
    else if (is_picture(name))
        g_ptr_array_add(l->pictures, g_strdup(path));
    else if (ends_with(name, ".csv"))
        skip(l, name, "a table: name it itself where it is a manifest");
    else if (dicom && lone_dicom)
        skip(l, name, "DICOM beside other files: a series needs a folder of its own");
    else if (g_ascii_strcasecmp(name, "DICOMDIR") == 0)
        skip(l, name, "an index: the folders beside it are looked into");
    else if (!dicom)
        skip(l, name, strrchr(name, '.') != NULL ? "an ending that no backend takes" : "no ending");
}

/* DICOM files and nothing else that could be a case: the folder is the case, with what is below it. */
static bool is_series(const char *folder, const GPtrArray *names)
{
    bool any = false;

    for (guint i = 0; i < names->len; i++)
        if (is_supported(names->pdata[i]) || is_picture(names->pdata[i]))
            return false;
    for (guint i = 0; !any && i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
        any = is_dicom_file(path, names->pdata[i]);
    }
    return any;
}

/* Whether all DICOM files below are of the study `uid` (NULL until the first is met), and nothing else could be a case. */
static bool is_of_study(const char *folder, int depth, char **uid)
{
    g_autoptr(GPtrArray) names = depth <= DEEPEST_STUDY ? list_names(folder) : NULL;
    bool asked = false, whole = names != NULL;

    for (guint i = 0; whole && i < names->len; i++) {
        const char      *name = names->pdata[i];
        g_autofree char *path = g_build_filename(folder, name, NULL);
        struct stat      status;

        if (lstat(path, &status) != 0 || is_supported(name) || is_picture(name))
            whole = false;
        else if (S_ISDIR(status.st_mode))
            whole = is_of_study(path, depth + 1, uid);
        else if (!asked && is_dicom_file(path, name)) {
            g_autofree char *own = mt_study_of_file(path);
            asked = own != NULL;
            whole = own == NULL || *uid == NULL || strcmp(own, *uid) == 0;
            if (*uid == NULL)
                *uid = g_steal_pointer(&own);
        }
    }
    return whole;
}

static bool is_study(const char *folder)
{
    g_autofree char *uid = NULL;

    return is_of_study(folder, 0, &uid) && uid != NULL;
}

static bool scan(listing *l, const char *folder, int depth, GError **error);

static bool scan_entry(listing *l, const char *path, const char *name, bool series, int depth, GError **error)
{
    struct stat status;

    if (stat(path, &status) != 0)
        skip(l, name, g_strerror(errno));
    else if (S_ISREG(status.st_mode))
        take_file(l, path, name, !series);
    else if (S_ISDIR(status.st_mode) && !series) {
        char *identity = g_strdup_printf("%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
        if (g_hash_table_add(l->seen, identity) && depth < DEEPEST && !is_output(path))
            return scan(l, path, depth + 1, error);
    }
    return true;
}

static bool scan(listing *l, const char *folder, int depth, GError **error)
{
    g_autoptr(GPtrArray) names = list_names(folder);
    g_autoptr(GHashTable) parts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (names == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "list folder %s: %s", folder, g_strerror(errno));
        return false;
    }
    bool series = is_series(folder, names) || (l->studies && is_study(folder));
    if (series)
        g_ptr_array_add(l->paths, g_strdup(folder));
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
        if (is_supported(names->pdata[i]))
            note_parts(parts, path);
    }
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
        if (!g_hash_table_contains(parts, path) && !scan_entry(l, path, names->pdata[i], series, depth, error))
            return false;
    }
    return true;
}

/* Beside slides, pictures are thumbnails, masks, photographs of labels. */
static void settle_pictures(listing *l)
{
    bool slides = l->paths->len > 0;

    for (guint i = 0; i < l->pictures->len; i++) {
        g_autofree char *name = g_path_get_basename(l->pictures->pdata[i]);
        if (slides)
            skip(l, name, "a picture beside slides");
        else
            g_ptr_array_add(l->paths, g_strdup(l->pictures->pdata[i]));
    }
}

static bool list_folder(const char *folder, bool studies, GPtrArray *paths, GPtrArray *skipped, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) pictures = g_ptr_array_new_with_free_func(g_free);
    listing     l = {paths, skipped, pictures, studies, seen};
    struct stat status;
    size_t      n = strlen(folder);

    while (n > 1 && folder[n - 1] == '/')
        n--;
    g_autofree char *plain = g_strndup(folder, n);
    if (stat(plain, &status) == 0)
        g_hash_table_add(seen, g_strdup_printf("%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino));
    if (!scan(&l, plain, 0, error))
        return false;
    settle_pictures(&l);
    return true;
}

bool mt_case_listing_folder(const char *folder, GPtrArray *paths, GPtrArray *skipped, GError **error)
{
    return list_folder(folder, false, paths, skipped, error);
}

bool mt_case_listing_studies(const char *folder, GPtrArray *paths, GPtrArray *skipped, GError **error)
{
    return list_folder(folder, true, paths, skipped, error);
}

char *mt_case_listing_owner(const char *folder)
{
    size_t n = strlen(folder);

    while (n > 1 && folder[n - 1] == '/')
        n--;
    g_autofree char *slide = g_strdup_printf("%.*s.mrxs", (int)n, folder);
    return g_file_test(slide, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&slide) : NULL;
}

bool mt_case_listing_is_pattern(const char *text)
{
    return strpbrk(text, "*?[") != NULL && !g_file_test(text, G_FILE_TEST_EXISTS);
}

bool mt_case_listing_pattern(const char *pattern, GPtrArray *paths, GError **error)
{
    glob_t found;
    int    code = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &found);
    guint  first = paths->len;

    for (size_t i = 0; code == 0 && i < found.gl_pathc; i++)
        g_ptr_array_add(paths, g_strdup(found.gl_pathv[i]));
    if (code == 0) {
        globfree(&found);
        if (paths->len > first)
            qsort(paths->pdata + first, paths->len - first, sizeof(void *), by_name);
        return true;
    }
    if (code == GLOB_NOMATCH)
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "name the cases: no file matches '%s'", pattern);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "name the cases: the folders of '%s' cannot all be listed", pattern);
    return false;
}
