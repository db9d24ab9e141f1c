/* Labels files for tests, written into a folder of their own. */
#ifndef MT_LABELS_SAMPLE_H
#define MT_LABELS_SAMPLE_H

#include "src/evaluate/labels.h"

#include <glib/gstdio.h>

typedef struct sample_folder {
    char *path, *file;
} sample_folder;

static inline void sample_set_up(sample_folder *folder, gconstpointer data)
{
    (void)data;
    folder->path = g_dir_make_tmp("labels-XXXXXX", NULL);
    folder->file = g_build_filename(folder->path, "labels.csv", NULL);
}

static inline void sample_tear_down(sample_folder *folder, gconstpointer data)
{
    (void)data;
    g_unlink(folder->file);
    g_rmdir(folder->path);
    g_free(folder->file);
    g_free(folder->path);
}

static inline mt_labels *sample_labels(const sample_folder *folder, const char *text, GError **error)
{
    g_assert_true(g_file_set_contents(folder->file, text, -1, NULL));
    return mt_labels_read(folder->file, error);
}

/* `format` has one %s for the file. */
static inline void sample_expect(const sample_folder *folder, const GError *error, int code, const char *format)
{
    g_auto(GStrv) parts = g_strsplit(format, "%s", -1);
    g_autofree char *message = g_strjoinv(folder->file, parts);

    g_assert_nonnull(error);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_true(g_error_matches(error, MT_ERROR, code));
}

#endif
