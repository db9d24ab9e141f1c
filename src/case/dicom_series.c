#include "src/case/dicom_series.h"

#include "src/base/limits.h"

#include <string.h>
#include <sys/stat.h>

#define MAX_DEPTH 8
#define LOOKED_AT 4096 /* files of a folder, until one is DICOM */

static void series_free(void *data)
{
    mt_dicom_series *s = data;

    g_ptr_array_unref(s->files);
    g_free(s);
}

void mt_dicom_folder_free(mt_dicom_folder *folder)
{
    if (folder == NULL)
        return;
    g_ptr_array_unref(folder->series);
    g_free(folder);
}

static int compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Regular files in and below `folder`, sorted.  Links to folders are not followed: they may lead round. */
static void collect(const char *folder, int depth, guint limit, GPtrArray *paths)
{
    g_autoptr(GDir) dir = depth <= MAX_DEPTH ? g_dir_open(folder, 0, NULL) : NULL;
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL && paths->len <= limit) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        struct stat      status;

        if (name[0] == '.' || lstat(path, &status) != 0)
            continue;
        if (S_ISDIR(status.st_mode))
            collect(path, depth + 1, limit, paths);
        else if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
            g_ptr_array_add(paths, g_steal_pointer(&path));
    }
    if (depth == 0)
        g_ptr_array_sort(paths, compare_text);
}

bool mt_dicom_folder_matches(const char *folder)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    collect(folder, 0, LOOKED_AT, paths);
    for (guint i = 0; i < paths->len; i++)
        if (mt_dicom_layout_file_matches(g_ptr_array_index(paths, i)))
            return true;
    return false;
}

static int compare_instances(gconstpointer a, gconstpointer b)
{
    const mt_dicom_file *x = *(const mt_dicom_file *const *)a, *y = *(const mt_dicom_file *const *)b;
    int                  order = g_strcmp0(x->sop_instance, y->sop_instance);

    return order != 0 ? order : strcmp(x->layout->path, y->layout->path);
}

static void add_image(mt_dicom_folder *folder, mt_dicom_file *file)
{
    mt_dicom_series *series = NULL;

    for (guint i = 0; i < folder->series->len && series == NULL; i++) {
        mt_dicom_series     *s = g_ptr_array_index(folder->series, i);
        const mt_dicom_file *first = g_ptr_array_index(s->files, 0);

        if (g_strcmp0(first->series, file->series) == 0)
            series = s;
    }
    if (series == NULL) {
        series = g_new0(mt_dicom_series, 1);
        series->files = g_ptr_array_new_with_free_func((GDestroyNotify)mt_dicom_file_free);
        g_ptr_array_add(folder->series, series);
    }
    g_ptr_array_add(series->files, file);
}

static bool add_file(mt_dicom_folder *folder, const char *path, bool alone, GError **error)
{
    mt_dicom_file *file = mt_dicom_file_read(path, error);

    if (file == NULL) {
        g_autofree char *name = g_path_get_basename(path);
        if (!alone)
            g_prefix_error(error, "its file %s: ", name);
        return false;
    }
    if (mt_dicom_file_has_image(file, alone ? error : NULL)) {
        add_image(folder, file);
        return true;
    }
    mt_dicom_file_free(file);
    folder->other++;
    return !alone;
}

static int64_t count_images(const mt_dicom_series *s)
{
    int64_t n = 0;

    for (guint i = 0; i < s->files->len; i++)
        n += ((const mt_dicom_file *)g_ptr_array_index(s->files, i))->frames;
    return n;
}

static int compare_series(gconstpointer a, gconstpointer b)
{
    const mt_dicom_series *x = *(const mt_dicom_series *const *)a, *y = *(const mt_dicom_series *const *)b;
    int64_t                m = count_images(x), n = count_images(y);

    return m != n ? (m < n) - (m > n) : compare_instances(&x->files->pdata[0], &y->files->pdata[0]);
}

static bool read_paths(mt_dicom_folder *folder, GPtrArray *paths, GError **error)
{
    if (paths->len > MT_LIMIT_DICOM_FILES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "the folder has more than %d files", MT_LIMIT_DICOM_FILES);
        return false;
    }
    for (guint i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);

        if (mt_dicom_layout_file_matches(path) && !add_file(folder, path, false, error))
            return false;
    }
    if (folder->series->len > 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "none of its %u files is a DICOM image", paths->len);
    return false;
}

GPtrArray *mt_dicom_folder_paths(const char *path)
{
    GPtrArray       *paths = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *name = g_path_get_basename(path), *parent = g_path_get_dirname(path);

    if (g_file_test(path, G_FILE_TEST_IS_DIR) || strcmp(name, "DICOMDIR") == 0)
        collect(g_file_test(path, G_FILE_TEST_IS_DIR) ? path : parent, 0, MT_LIMIT_DICOM_FILES, paths);
    return paths;
}

static void sort_all(mt_dicom_folder *folder)
{
    for (guint i = 0; i < folder->series->len; i++)
        g_ptr_array_sort(((mt_dicom_series *)g_ptr_array_index(folder->series, i))->files, compare_instances);
    g_ptr_array_sort(folder->series, compare_series);
}

mt_dicom_folder *mt_dicom_folder_read(const char *path, GError **error)
{
    g_autoptr(mt_dicom_folder) folder = g_new0(mt_dicom_folder, 1);
    g_autoptr(GPtrArray) paths = mt_dicom_folder_paths(path);
    g_autofree char *name = g_path_get_basename(path);
    bool             many = strcmp(name, "DICOMDIR") == 0 || g_file_test(path, G_FILE_TEST_IS_DIR);

    folder->series = g_ptr_array_new_with_free_func(series_free);
    bool ok = many ? read_paths(folder, paths, error) : add_file(folder, path, true, error);
    sort_all(folder);
    return ok ? g_steal_pointer(&folder) : NULL;
}

mt_dicom_folder *mt_dicom_folder_of(const char *const *paths, GError **error)
{
    g_autoptr(mt_dicom_folder) folder = g_new0(mt_dicom_folder, 1);

    folder->series = g_ptr_array_new_with_free_func(series_free);
    for (; *paths != NULL; paths++)
        if (!add_file(folder, *paths, false, error))
            return NULL;
    sort_all(folder);
    return g_steal_pointer(&folder);
}

char *mt_dicom_series_text(const mt_dicom_series *s)
{
    const mt_dicom_file *f = g_ptr_array_index(s->files, 0);
    int64_t              n = count_images(s);
    GString             *text = g_string_new(f->modality != NULL ? f->modality : "no modality");

    g_string_append_printf(text, ", %" G_GINT64_FORMAT " image%s of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT, n, n == 1 ? "" : "s",
                           f->columns, f->rows);
    if (f->body_part != NULL)
        g_string_append_printf(text, ", %s", f->body_part);
    if (f->places[0].thickness > 0)
        g_string_append_printf(text, ", %g mm", f->places[0].thickness);
    if (f->description != NULL)
        g_string_append_printf(text, ", \"%s\"", f->description);
    return g_string_free(text, FALSE);
}

GPtrArray *mt_dicom_folder_files(const char *path)
{
    g_autoptr(GPtrArray) paths = mt_dicom_folder_paths(path), read = g_ptr_array_new_with_free_func((GDestroyNotify)mt_dicom_file_free),
                         damaged = g_ptr_array_new_with_free_func(g_free);
    GPtrArray *sorted;

    for (guint i = 0; i < paths->len; i++) {
        const char    *one = g_ptr_array_index(paths, i);
        mt_dicom_file *file = mt_dicom_layout_file_matches(one) ? mt_dicom_file_read(one, NULL) : NULL;

        if (file != NULL)
            g_ptr_array_add(read, file);
        else if (mt_dicom_layout_file_matches(one))
            g_ptr_array_add(damaged, g_strdup(one));
    }
    if (read->len == 0)
        return NULL;
    g_ptr_array_sort(read, compare_instances);
    sorted = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < read->len; i++)
        g_ptr_array_add(sorted, g_strdup(((const mt_dicom_file *)g_ptr_array_index(read, i))->layout->path));
    for (guint i = 0; i < damaged->len; i++) /* a copy without them would look whole */
        g_ptr_array_add(sorted, g_strdup(damaged->pdata[i]));
    return sorted;
}
