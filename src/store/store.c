#include "src/store/store.h"

#include "src/base/publish.h"
#include "src/store/content_hash.h"
#include "src/store/result_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PACKED_EDGE 512
#define CHUNK_BYTES ((int64_t)512 << 10) /* between HDF5's cost per chunk and what a reader of a few rows drags along */
#define CHUNK_CACHE_BYTES ((size_t)2 << 20)

/* A dataset that still grows. */
typedef struct growing {
    char    *object;
    mt_hid   dataset;
    mt_dtype dtype;
    int64_t  width; /* 0: rank 1 */
    int64_t  rows;
} growing;

struct mt_store {
    char          *target;
    char          *temporary; /* NULL once published or abandoned */
    int            fd;
    mt_file_driver driver;
    mt_hid         file;
    bool           plain;   /* neither user block nor headline */
    mt_fence       fence;   /* of which the strings are ours; epoch 0: nobody else can publish the target */
    GPtrArray     *growing; /* in order of creation: closing them allocates, and the bytes must not depend on it */
};

static void free_growing(void *data)
{
    growing *g = data;

    mt_hid_close(g->dataset);
    g_free(g->object);
    g_free(g);
}

/* The verdict on a step: a write that the system refused comes before what HDF5 made of it. */
static bool settle(mt_store *store, bool ok, const char *doing, const char *object, GError **error)
{
    if (store->driver.failed != 0)
        mt_publish_io_error(error, "write", store->target, store->driver.failed);
    else if (!ok)
        mt_hdf5_error(error, MT_ERROR_INTERNAL, "%s %s of %s", doing, object, store->target);
    return ok && store->driver.failed == 0;
}

static mt_hid create_file(mt_store *store, GError **error)
{
    g_auto(mt_hid) access = mt_file_driver_access(&store->driver, error);
    g_auto(mt_hid) create = H5Pcreate(H5P_FILE_CREATE);
    g_auto(mt_hid) file = -1;

    if (access < 0)
        return -1;
    /* The name that HDF5 sees is fixed: the temporary's must not find its way into the file. */
    if (create >= 0 && H5Pset_userblock(create, store->plain ? 0 : MT_RESULT_HEADLINE_BYTES) >= 0 &&
        H5Pset_obj_track_times(create, false) >= 0)
        file = H5Fcreate("result", H5F_ACC_TRUNC, create, access);
    if (!settle(store, file >= 0, "create", "the HDF5 structure", error))
        return -1;
    return mt_hid_steal(&file);
}

static char *begin(mt_store *store, const mt_fence *fence, GError **error)
{
    if (fence == NULL || fence->epoch == 0)
        return mt_publish_begin(store->target, &store->fd, error);
    store->fence = (mt_fence){g_strdup(fence->folder), g_strdup(fence->id), g_strdup(fence->run), fence->epoch};
    g_autofree char *temporary = mt_fence_temporary(&store->fence, store->target);
    return mt_publish_begin_as(temporary, store->target, &store->fd, error) ? g_steal_pointer(&temporary) : NULL;
}

static mt_store *create(const char *target, const mt_fence *fence, bool plain, GError **error)
{
    g_autoptr(mt_store) store = g_new0(mt_store, 1);

    store->plain = plain;
    store->fd = -1;
    store->file = -1;
    store->driver.id = -1;
    store->target = g_strdup(target);
    store->growing = g_ptr_array_new_with_free_func(free_growing);
    store->temporary = begin(store, fence, error);
    if (store->temporary == NULL || !mt_file_driver_init(&store->driver, store->fd, true, error))
        return NULL;
    store->file = create_file(store, error);
    return store->file >= 0 ? g_steal_pointer(&store) : NULL;
}

mt_store *mt_store_create(const char *target, GError **error)
{
    return create(target, NULL, false, error);
}

mt_store *mt_store_create_fenced(const char *target, const mt_fence *fence, GError **error)
{
    return create(target, fence, false, error);
}

mt_store *mt_store_create_plain(const char *target, GError **error)
{
    return create(target, NULL, true, error);
}

/* Close HDF5's side; what it still writes on the way is dropped when the file is given up. */
static bool close_file(mt_store *store, bool give_up)
{
    bool ok = true;

    if (give_up && store->driver.failed == 0)
        store->driver.failed = ECANCELED;
    g_ptr_array_set_size(store->growing, 0);
    if (store->file >= 0)
        ok = H5Fclose(store->file) >= 0;
    store->file = -1;
    mt_file_driver_drop(&store->driver);
    return ok;
}

void mt_store_free(mt_store *store)
{
    if (store == NULL)
        return;
    close_file(store, true);
    if (store->temporary != NULL)
        mt_publish_abandon(store->temporary, store->fd);
    g_ptr_array_unref(store->growing);
    g_free((char *)store->fence.folder);
    g_free((char *)store->fence.id);
    g_free((char *)store->fence.run);
    g_free(store->temporary);
    g_free(store->target);
    g_free(store);
}

/* Groups above `object`, made here and not by HDF5 on the way, so that they carry no times. */
static bool make_parents(mt_store *store, const char *object)
{
    g_auto(mt_hid) create = H5Pcreate(H5P_GROUP_CREATE);
    g_autofree char *path = g_strdup(object);

    if (create < 0 || H5Pset_obj_track_times(create, false) < 0)
        return false;
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        htri_t there = H5Lexists(store->file, path, H5P_DEFAULT);
        if (there == 0) {
            g_auto(mt_hid) group = H5Gcreate2(store->file, path, H5P_DEFAULT, create, H5P_DEFAULT);
            there = group >= 0;
        }
        *slash = '/';
        if (there <= 0)
            return false;
    }
    return true;
}

bool mt_store_write_group(mt_store *store, const char *object, GError **error)
{
    g_autofree char *inside = g_strconcat(object, "/", NULL);

    return settle(store, true, "write", object, error) && settle(store, make_parents(store, inside), "write", object, error);
}

static mt_hid create_dataset(mt_store *store, const char *object, mt_hid type, mt_hid space, const hsize_t *chunk, int rank, bool packed)
{
    g_auto(mt_hid) create = H5Pcreate(H5P_DATASET_CREATE);
    g_auto(mt_hid) access = H5Pcreate(H5P_DATASET_ACCESS);

    if (type < 0 || space < 0 || create < 0 || access < 0 || H5Pset_obj_track_times(create, false) < 0)
        return -1;
    if (chunk == NULL && (H5Tget_class(type) == H5T_INTEGER || H5Tget_class(type) == H5T_FLOAT) &&
        H5Pset_fill_time(create, H5D_FILL_TIME_NEVER) < 0)
        return -1; /* numbers are written whole at once; HDF5 insists on a fill value for strings */
    if (chunk != NULL &&
        (H5Pset_chunk(create, rank, chunk) < 0 || H5Pset_chunk_cache(access, 521, CHUNK_CACHE_BYTES, H5D_CHUNK_CACHE_W0_DEFAULT) < 0))
        return -1;
    if ((packed && H5Pset_deflate(create, 1) < 0) || !make_parents(store, object))
        return -1;
    return H5Dcreate2(store->file, object, type, space, H5P_DEFAULT, create, access);
}

static bool check_storable(mt_store *store, const char *object, mt_dtype dtype, GError **error)
{
    g_auto(mt_hid) type = mt_hdf5_type(dtype);

    if (type < 0)
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "write %s of %s: %s cannot be stored", object, store->target, mt_dtype_name(dtype));
    return type >= 0;
}

bool mt_store_write(mt_store *store, const char *object, const mt_tensor *tensor, GError **error)
{
    g_auto(mt_hid) type = mt_hdf5_type(tensor->dtype);
    g_auto(mt_hid) space = -1;
    g_auto(mt_hid) dataset = -1;
    hsize_t shape[MT_MAX_RANK];

    if (!settle(store, true, "write", object, error) || !check_storable(store, object, tensor->dtype, error))
        return false;
    for (int i = 0; i < tensor->rank; i++)
        shape[i] = (hsize_t)tensor->shape[i];
    space = tensor->rank > 0 ? H5Screate_simple(tensor->rank, shape, NULL) : H5Screate(H5S_SCALAR);
    dataset = create_dataset(store, object, type, space, NULL, 0, false);
    bool ok = dataset >= 0 && (mt_tensor_count(tensor) == 0 || H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor->data) >= 0);
    return settle(store, ok, "write", object, error);
}

bool mt_store_write_packed(mt_store *store, const char *object, const mt_tensor *tensor, GError **error)
{
    g_auto(mt_hid) type = mt_hdf5_type(tensor->dtype);
    g_auto(mt_hid) space = -1;
    g_auto(mt_hid) dataset = -1;
    hsize_t shape[MT_MAX_RANK], chunk[MT_MAX_RANK];

    if (!settle(store, true, "write", object, error) || !check_storable(store, object, tensor->dtype, error))
        return false;
    for (int i = 0; i < tensor->rank; i++) {
        shape[i] = (hsize_t)tensor->shape[i];
        chunk[i] = i + 2 < tensor->rank ? 1 : (hsize_t)CLAMP(tensor->shape[i], 1, PACKED_EDGE);
    }
    space = H5Screate_simple(tensor->rank, shape, NULL);
    dataset = create_dataset(store, object, type, space, chunk, tensor->rank, true);
    bool ok = dataset >= 0 && (mt_tensor_count(tensor) == 0 || H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor->data) >= 0);
    return settle(store, ok, "write", object, error);
}

static mt_hid row_type(const mt_store_column *columns, int n, size_t bytes)
{
    g_auto(mt_hid) string = mt_hdf5_string_type();
    g_auto(mt_hid) number = mt_hdf5_type(MT_F64);
    g_auto(mt_hid) type = H5Tcreate(H5T_COMPOUND, bytes);

    for (int i = 0; i < n; i++)
        if (type < 0 || H5Tinsert(type, columns[i].name, columns[i].offset, columns[i].text ? string : number) < 0)
            return -1;
    return mt_hid_steal(&type);
}

bool mt_store_write_table(mt_store *store, const char *object, const mt_store_column *columns, int n_columns, size_t row_bytes,
                          const void *rows, int64_t n, GError **error)
{
    hsize_t shape = (hsize_t)n;
    g_auto(mt_hid) type = row_type(columns, n_columns, row_bytes);
    g_auto(mt_hid) space = H5Screate_simple(1, &shape, NULL);
    g_auto(mt_hid) dataset = -1;

    if (!settle(store, true, "write", object, error))
        return false;
    dataset = create_dataset(store, object, type, space, NULL, 0, false);
    bool ok = dataset >= 0 && (n == 0 || H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) >= 0);
    return settle(store, ok, "write", object, error);
}

bool mt_store_write_string(mt_store *store, const char *object, const char *text, GError **error)
{
    g_auto(mt_hid) type = mt_hdf5_string_type();
    g_auto(mt_hid) space = H5Screate(H5S_SCALAR);
    g_auto(mt_hid) dataset = -1;

    if (!settle(store, true, "write", object, error))
        return false;
    dataset = create_dataset(store, object, type, space, NULL, 0, false);
    return settle(store, dataset >= 0 && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text) >= 0, "write", object, error);
}

bool mt_store_write_strings(mt_store *store, const char *object, const char *const *texts, int64_t n, GError **error)
{
    hsize_t shape = (hsize_t)n;
    g_auto(mt_hid) type = mt_hdf5_string_type();
    g_auto(mt_hid) space = H5Screate_simple(1, &shape, NULL);
    g_auto(mt_hid) dataset = -1;

    if (!settle(store, true, "write", object, error))
        return false;
    dataset = create_dataset(store, object, type, space, NULL, 0, false);
    bool ok = dataset >= 0 && (n == 0 || H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts) >= 0);
    return settle(store, ok, "write", object, error);
}

bool mt_store_grow(mt_store *store, const char *object, mt_dtype dtype, int64_t width, GError **error)
{
    return mt_store_grow_expecting(store, object, dtype, width, -1, error);
}

bool mt_store_grow_expecting(mt_store *store, const char *object, mt_dtype dtype, int64_t width, int64_t rows, GError **error)
{
    int     rank = width > 0 ? 2 : 1;
    int64_t row_bytes = (int64_t)mt_dtype_size(dtype) * MAX(width, 1);
    int64_t chunk_rows = MAX(CHUNK_BYTES / MAX(row_bytes, 1), 1);
    hsize_t shape[2] = {0, (hsize_t)width}, largest[2] = {H5S_UNLIMITED, (hsize_t)width};
    g_auto(mt_hid) type = mt_hdf5_type(dtype);
    g_auto(mt_hid) space = H5Screate_simple(rank, shape, largest);

    if (!settle(store, true, "grow", object, error) || !check_storable(store, object, dtype, error))
        return false;
    if (rows >= 0)
        chunk_rows = CLAMP(rows, 1, chunk_rows);
    hsize_t chunk[2] = {(hsize_t)chunk_rows, (hsize_t)width};
    g_auto(mt_hid) dataset = create_dataset(store, object, type, space, chunk, rank, false);
    if (!settle(store, dataset >= 0, "create", object, error))
        return false;
    growing *g = g_new0(growing, 1);
    *g = (growing){g_strdup(object), mt_hid_steal(&dataset), dtype, width, 0};
    g_ptr_array_add(store->growing, g);
    return true;
}

static growing *find_growing(mt_store *store, const char *object)
{
    for (guint i = 0; i < store->growing->len; i++) {
        growing *g = store->growing->pdata[i];
        if (strcmp(g->object, object) == 0)
            return g;
    }
    return NULL;
}

static bool append_rows(growing *g, const void *rows, int64_t n)
{
    int     rank = g->width > 0 ? 2 : 1;
    hsize_t shape[2] = {(hsize_t)(g->rows + n), (hsize_t)g->width};
    hsize_t start[2] = {(hsize_t)g->rows, 0}, size[2] = {(hsize_t)n, (hsize_t)g->width};
    g_auto(mt_hid) type = mt_hdf5_type(g->dtype);
    g_auto(mt_hid) memory = H5Screate_simple(rank, size, NULL);

    if (type < 0 || memory < 0 || H5Dset_extent(g->dataset, shape) < 0)
        return false;
    g_auto(mt_hid) space = H5Dget_space(g->dataset);
    return space >= 0 && H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) >= 0 &&
           H5Dwrite(g->dataset, type, memory, space, H5P_DEFAULT, rows) >= 0;
}

bool mt_store_append(mt_store *store, const char *object, const void *rows, int64_t n, GError **error)
{
    growing *g = find_growing(store, object);

    if (!settle(store, true, "append to", object, error))
        return false;
    if (g == NULL || n < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "append to %s of %s: it does not grow", object, store->target);
        return false;
    }
    if (n > 0 && !settle(store, append_rows(g, rows, n), "append to", object, error))
        return false;
    g->rows += n;
    return true;
}

bool mt_store_read_rows(mt_store *store, const char *object, int64_t first, int64_t count, float *out, GError **error)
{
    growing *g = find_growing(store, object);
    g_auto(mt_hid) opened = g == NULL ? H5Dopen2(store->file, object, H5P_DEFAULT) : -1;

    if (!settle(store, g != NULL || opened >= 0, "read", object, error))
        return false;
    return mt_hdf5_read_rows(g != NULL ? g->dataset : opened, object, first, count, out, error) &&
           settle(store, true, "read", object, error);
}

/* One attribute of `object`: n < 0 is a scalar. */
static bool write_attribute(mt_store *store, const char *object, const char *name, mt_hid type, int n, const void *values, GError **error)
{
    hsize_t          size = (hsize_t)MAX(n, 0);
    g_autofree char *what = g_strdup_printf("attribute %s of %s", name, object);
    g_auto(mt_hid) space = n < 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &size, NULL);
    g_auto(mt_hid) owner = -1;
    g_auto(mt_hid) attribute = -1;

    if (!settle(store, true, "write", what, error))
        return false;
    owner = H5Oopen(store->file, object, H5P_DEFAULT);
    if (owner >= 0 && type >= 0 && space >= 0)
        attribute = H5Acreate2(owner, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    return settle(store, attribute >= 0 && (n == 0 || H5Awrite(attribute, type, values) >= 0), "write", what, error);
}

bool mt_store_copy(mt_store *store, const mt_result *result, const char *object, GError **error)
{
    g_autofree char *doing = g_strdup_printf("copy from %s", result->path);

    bool ok = mt_result_has(result, object) && make_parents(store, object) &&
              H5Ocopy(result->file, object, store->file, object, H5P_DEFAULT, H5P_DEFAULT) >= 0;
    return settle(store, ok, doing, object, error);
}

bool mt_store_attr_string(mt_store *store, const char *object, const char *name, const char *value, GError **error)
{
    g_auto(mt_hid) type = mt_hdf5_string_type();

    return write_attribute(store, object, name, type, -1, &value, error);
}

bool mt_store_attr_strings(mt_store *store, const char *object, const char *name, const char *const *values, GError **error)
{
    g_auto(mt_hid) type = mt_hdf5_string_type();
    int n = (int)g_strv_length((char **)values);

    return write_attribute(store, object, name, type, n, values, error);
}

bool mt_store_attr_double(mt_store *store, const char *object, const char *name, const double *values, int n, GError **error)
{
    return write_attribute(store, object, name, H5T_IEEE_F64LE, n == 1 ? -1 : n, values, error);
}

bool mt_store_attr_int(mt_store *store, const char *object, const char *name, const int64_t *values, int n, GError **error)
{
    return write_attribute(store, object, name, H5T_STD_I64LE, n == 1 ? -1 : n, values, error);
}

static bool check_headline(const mt_store *store, const char *headline, GError **error)
{
    size_t bytes = strlen(headline);

    if (bytes >= MT_RESULT_HEADLINE_BYTES || strchr(headline, '\n') != NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "publish %s: a headline of %zu bytes, where one line of at most %d fits",
                    store->target, bytes, MT_RESULT_HEADLINE_BYTES - 1);
        return false;
    }
    return true;
}

static bool write_headline(mt_store *store, const char *headline)
{
    char   block[MT_RESULT_HEADLINE_BYTES] = {0};
    size_t done = 0;

    memcpy(block, headline, strlen(headline));
    block[strlen(headline)] = '\n';
    while (done < sizeof block) {
        ssize_t n = pwrite(store->fd, block + done, sizeof block - done, (off_t)done);
        if (n < 0 && errno != EINTR)
            return false;
        done += (size_t)MAX(n, 0);
    }
    return true;
}

/* Whose claim was outdone has nothing to publish; its temporary may be gone already. */
static bool commit(mt_store *store, bool replace, GError **error)
{
    g_autofree char *temporary = g_steal_pointer(&store->temporary); /* commit closes the descriptor and removes it on failure */
    int              fd = store->fd;
    bool             fenced = store->fence.epoch > 0, ok = !fenced || mt_fence_holds(&store->fence);
    g_autoptr(GError) cause = NULL;

    store->fd = -1;
    if (!ok)
        mt_publish_abandon(temporary, fd);
    else
        ok = mt_publish_commit(temporary, fd, store->target, replace, &cause);
    if (!ok && fenced && !mt_fence_holds(&store->fence))
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "publish %s: another run has taken the case over", store->target);
    else if (!ok)
        g_propagate_error(error, g_steal_pointer(&cause));
    return ok;
}

static bool publish(mt_store *store, const char *headline, bool replace, GError **error)
{
    if (store->temporary == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_INTERNAL, "publish %s: it was published before", store->target);
        return false;
    }
    if (!store->plain && !check_headline(store, headline, error))
        return false;
    if (!settle(store, close_file(store, false), "close", "the HDF5 structure", error))
        return false;
    if (store->plain)
        return commit(store, replace, error);
    g_autofree char *hashed = mt_content_hash_put(store->fd, headline);
    if (hashed == NULL || !write_headline(store, hashed)) {
        mt_publish_io_error(error, "write", store->target, errno);
        return false;
    }
    return commit(store, replace, error);
}

bool mt_store_publish(mt_store *store, const char *headline, GError **error)
{
    return publish(store, headline, false, error);
}

bool mt_store_replace(mt_store *store, const char *headline, GError **error)
{
    return publish(store, headline, true, error);
}
