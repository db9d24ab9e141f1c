/* What makes two inputs the same: the bytes, not the name, place or time of the file. */
#include "src/base/hash.h"
#include "src/case/case_files.h"
#include "src/case/dicom_series.h"
#include "src/case/file_bytes.h"
#include "src/case/text_header.h"

#include <microtome/case.h>
#include <microtome/error.h>

#include <string.h>

#define END_BYTES (UINT64_C(1) << 20)
/* Text of a .vms or .vmu file that names its parts. */
#define INDEX_TEXT_BYTES (INT64_C(1) << 20)

/* The bytes at `start`, with patience for the storage. */
static bool hash_part(mt_hasher *hasher, mt_file_bytes *file, uint64_t start, uint64_t bytes, uint8_t *buffer, GError **error)
{
    bool ok = mt_file_bytes_read(file, start, bytes, buffer, error);

    if (ok)
        mt_hasher_update(hasher, buffer, bytes);
    return ok;
}

static bool hash_ends(mt_hasher *hasher, mt_file_bytes *file, GError **error)
{
    g_autofree uint8_t *buffer = g_malloc(END_BYTES);
    uint64_t            size = mt_file_bytes_size(file), head = MIN(size, END_BYTES), tail = MIN(size - head, END_BYTES);
    uint64_t            stored = GUINT64_TO_LE(size);

    mt_file_bytes_will_read(file, 0, head);
    mt_file_bytes_will_read(file, size - tail, tail);
    mt_hasher_update(hasher, &stored, sizeof stored);
    return hash_part(hasher, file, 0, head, buffer, error) && hash_part(hasher, file, size - tail, tail, buffer, error);
}

/* Size (8 bytes, little endian), first MiB, last MiB; what both share counts once. */
static bool hash_file_ends(mt_hasher *hasher, const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(mt_file_bytes) file = mt_file_bytes_open(path, &cause);

    if (file != NULL && hash_ends(hasher, file, &cause))
        return true;
    bool missing = g_error_matches(cause, MT_ERROR, MT_ERROR_MISSING);
    /* bytes that the storage does not give are no fault of the picture: the case may be tried again */
    g_set_error(error, MT_ERROR, missing ? MT_ERROR_MISSING : MT_ERROR_IO, "identify %s: %s", path,
                missing ? "no such file" : cause->message);
    return false;
}

static void add_file(GPtrArray *files, const char *path)
{
    if (g_file_test(path, G_FILE_TEST_IS_REGULAR) && !g_ptr_array_find_with_equal_func(files, path, g_str_equal, NULL))
        g_ptr_array_add(files, g_strdup(path));
}

/* `path` without its extension, NULL when it ends otherwise. */
static char *stem_of(const char *path, const char *extension)
{
    size_t n = strlen(path), m = strlen(extension);

    return n > m && g_ascii_strcasecmp(path + n - m, extension) == 0 ? g_strndup(path, n - m) : NULL;
}

/* MIRAX: the pixels are in the folder of the same name. */
static void add_folder(GPtrArray *files, const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        add_file(files, path);
    }
}

/* Hamamatsu VMS and VMU: "Key=file" lines that name files beside it. */
static void add_named_files(GPtrArray *files, const char *index)
{
    g_autofree char *text = NULL, *folder = g_path_get_dirname(index);
    gsize            bytes = 0;

    if (!g_file_get_contents(index, &text, &bytes, NULL) || bytes > INDEX_TEXT_BYTES)
        return;
    g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        const char *value = strchr(*line, '=');

        if (value == NULL || value[1] == '\0' || strchr(value, '/') != NULL)
            continue;
        g_autofree char *path = g_build_filename(folder, g_strstrip((char *)value + 1), NULL);
        add_file(files, path);
    }
}

static void add_pair(GPtrArray *files, const char *path, const char *from, const char *to)
{
    g_autofree char *stem = stem_of(path, from);
    g_autofree char *other = stem != NULL ? g_strconcat(stem, to, NULL) : NULL;

    if (other != NULL)
        add_file(files, other);
}

static int compare_paths(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *mt_case_files(const char *path)
{
    GPtrArray       *files = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *mirax = stem_of(path, ".mrxs"), *vms = stem_of(path, ".vms"), *vmu = stem_of(path, ".vmu");

#ifdef MT_HAVE_DCMTK
    if (g_file_test(path, G_FILE_TEST_IS_DIR) || g_str_has_suffix(path, "DICOMDIR")) {
        GPtrArray *series = mt_dicom_folder_files(path);

        if (series != NULL) {
            g_ptr_array_unref(files);
            return series;
        }
    }
#endif
    if (g_file_test(path, G_FILE_TEST_IS_DIR)) { /* the sequences of an exam */
        add_folder(files, path);
        g_ptr_array_sort(files, compare_paths);
        return files;
    }
    g_ptr_array_add(files, g_strdup(path));
    if (mirax != NULL)
        add_folder(files, mirax);
    if (vms != NULL || vmu != NULL)
        add_named_files(files, path);
    g_autofree char *beside = mt_text_header_beside(path);
    if (beside != NULL)
        add_file(files, beside);
    add_pair(files, path, ".hdr", ".img");
    add_pair(files, path, ".img", ".hdr");
    add_pair(files, path, ".hdr.gz", ".img.gz");
    add_pair(files, path, ".img.gz", ".hdr.gz");
    g_ptr_array_sort(files, compare_paths);
    return files;
}

char *mt_case_identity(const char *path, GError **error)
{
    g_autoptr(GPtrArray) files = mt_case_files(path);
    mt_hasher *hasher = mt_hasher_new();
    bool       ok = true;

    for (guint i = 0; ok && i < files->len; i++)
        ok = hash_file_ends(hasher, g_ptr_array_index(files, i), error);
    char *hex = mt_hasher_finish(hasher);
    if (!ok)
        g_clear_pointer(&hex, g_free);
    return hex;
}
