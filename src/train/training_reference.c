#include "src/train/training_reference.h"

#include "mil/feature_file.h"

#include <string.h>

static int by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *list(const char *out, GError **error)
{
    g_autofree char *cases = g_build_filename(out, "cases", NULL);
    const char      *folder = g_file_test(cases, G_FILE_TEST_IS_DIR) ? cases : out;
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &cause);
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    if (dir == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read the training cases of %s: %s", out, cause->message);
        return NULL;
    }
    for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir))
        if (*name != '.' && g_str_has_suffix(name, ".h5"))
            g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
    g_ptr_array_sort(paths, by_name);
    return g_steal_pointer(&paths);
}

/* Its mean feature at the end of `means`; a case without a tile adds nothing. */
static bool add(const char *path, const mt_head *head, GArray *means, int64_t *dim, GError **error)
{
    g_autoptr(mt_feature_file) file = mt_feature_file_open(path, error);

    if (file == NULL)
        return false;
    mt_feature_origin origin = mt_feature_file_origin(file);
    mt_bag            bag = mt_feature_file_bag(file);
    if (bag.n == 0)
        return true;
    if (!mt_head_accepts(head, &origin, error))
        return false;
    if (*dim > 0 && *dim != bag.dim) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "read %s: %" G_GINT64_FORMAT " features per tile, the cases before have %" G_GINT64_FORMAT, path, bag.dim, *dim);
        return false;
    }
    *dim = bag.dim;
    guint at = means->len;
    g_array_set_size(means, at + (guint)bag.dim);
    return mt_bag_mean(&bag, &g_array_index(means, double, at), error);
}

mt_feature_reference *mt_training_reference(const char *out, const mt_head *head, GError **error)
{
    g_autoptr(GPtrArray) paths = list(out, error);
    g_autoptr(GArray) means = g_array_new(FALSE, FALSE, sizeof(double));
    int64_t dim = 0;

    for (guint i = 0; paths != NULL && i < paths->len; i++)
        if (!add(paths->pdata[i], head, means, &dim, error))
            return NULL;
    if (paths == NULL)
        return NULL;
    return mt_feature_reference_fit((const double *)(const void *)means->data, dim > 0 ? means->len / dim : 0, MAX(1, dim), error);
}
