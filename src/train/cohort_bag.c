#include "src/train/cohort_bag.h"

#include "src/base/alloc.h"

mt_cohort_files *mt_cohort_files_new(void)
{
    mt_cohort_files *files = g_new0(mt_cohort_files, 1);

    g_mutex_init(&files->lock);
    return files;
}

static void close_file(mt_cohort_files *files)
{
    g_clear_pointer(&files->open, mt_feature_file_free);
    files->owner = NULL;
}

void mt_cohort_files_free(mt_cohort_files *files)
{
    if (files == NULL)
        return;
    close_file(files);
    g_mutex_clear(&files->lock);
    g_free(files);
}

void mt_cohort_bag_free(mt_cohort_bag *bag)
{
    if (bag == NULL)
        return;
    mt_free(bag->features);
    g_free(bag->path);
    g_free(bag);
}

static bool ensure_open(mt_cohort_bag *bag, GError **error)
{
    mt_cohort_files *files = bag->files;

    if (files->owner == bag)
        return true;
    close_file(files);
    files->open = mt_feature_file_open(bag->path, error);
    if (files->open == NULL)
        return false;
    if (files->open->n_valid != bag->n || files->open->dim != bag->dim) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: it was replaced while it was learnt from", bag->path);
        return false;
    }
    files->owner = bag;
    return true;
}

static bool read_rows(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    mt_cohort_bag *bag = user;

    g_mutex_lock(&bag->files->lock);
    bool ok = ensure_open(bag, error);
    if (ok) {
        mt_bag rows = mt_feature_file_bag(bag->files->open);
        ok = mt_bag_read(&rows, first, count, out, error);
    }
    g_mutex_unlock(&bag->files->lock);
    return ok;
}

static bool keep(mt_cohort_bag *bag, int64_t *budget, GError **error)
{
    int64_t bytes;

    if (__builtin_mul_overflow(bag->n, bag->dim * (int64_t)sizeof(float), &bytes) || bytes > *budget || bytes == 0)
        return true;
    bag->features = mt_alloc(bag->n, (size_t)bag->dim * sizeof(float), error);
    if (bag->features == NULL || !read_rows(bag, 0, bag->n, bag->features, error))
        return false;
    *budget -= bytes;
    return true;
}

mt_cohort_bag *mt_cohort_bag_new(mt_cohort_files *files, const char *path, mt_feature_file *file, int64_t *budget, GError **error)
{
    g_autoptr(mt_cohort_bag) bag = g_new0(mt_cohort_bag, 1);

    bag->files = files;
    bag->path = g_strdup(path);
    bag->n = file->n_valid;
    bag->dim = file->dim;
    close_file(files);
    files->open = file;
    files->owner = bag;
    if (keep(bag, budget, error))
        return g_steal_pointer(&bag);
    close_file(files); /* its owner is gone */
    return NULL;
}

mt_bag mt_cohort_bag_get(mt_cohort_bag *bag)
{
    if (bag->features != NULL)
        return mt_bag_from_memory(bag->features, bag->n, bag->dim);
    return (mt_bag){.n = bag->n, .dim = bag->dim, .read = read_rows, .user = bag};
}
