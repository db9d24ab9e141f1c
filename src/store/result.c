#include <microtome/result.h>

#include "src/base/alloc.h"
#include "src/base/limits.h"
#include "src/store/result_foreign.h"
#include "src/store/result_private.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ATTRIBUTE_VALUES 65536             /* elements of one attribute that we are ready to read */
#define COLUMN_VALUES (1 << 22)            /* of one dataset */
#define MAX_CHUNK_BYTES (INT64_C(1) << 28) /* unpacked, of a block that is read */

/* A regular file, open for reading; a FIFO in its place must not block us. */
static int open_regular(const char *path, GError **error)
{
    struct stat status;
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        g_set_error(error, MT_ERROR, errno == ENOENT ? MT_ERROR_MISSING : MT_ERROR_IO, "open %s: %s", path, g_strerror(errno));
        return -1;
    }
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "open %s: not a regular file", path);
    close(fd);
    return -1;
}

static bool read_block(int fd, const char *path, char *block, size_t bytes, GError **error)
{
    size_t done = 0;

    while (done < bytes) {
        ssize_t n = pread(fd, block + done, bytes - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(error, MT_ERROR, MT_ERROR_IO, "read %s: %s", path, g_strerror(errno));
            return false;
        }
        if (n == 0)
            break;
        done += (size_t)n;
    }
    memset(block + done, 0, bytes - done);
    return true;
}

static bool check_schema(const char *path, const char *line, GError **error)
{
    json_t    *headline = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    json_t    *schema = json_object_get(headline, "schema");
    json_int_t number = json_is_integer(schema) ? json_integer_value(schema) : 0;

    json_decref(headline);
    if (number < 1)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: its headline is damaged (no JSON with a schema number)", path);
    else if (number > MT_RESULT_SCHEMA)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT,
                    "read %s: written by a newer microtome (schema %" JSON_INTEGER_FORMAT ", this one reads up to %d): use that version",
                    path, number, MT_RESULT_SCHEMA);
    return number >= 1 && number <= MT_RESULT_SCHEMA;
}

static char *read_headline(int fd, const char *path, GError **error)
{
    static const char signature[] = "\x89HDF\r\n\x1a\n"; /* HDF5 begins right behind the user block */
    char              block[MT_RESULT_HEADLINE_BYTES + 8];
    const char       *end;

    if (!read_block(fd, path, block, sizeof block, error))
        return NULL;
    end = memchr(block, '\n', MT_RESULT_HEADLINE_BYTES);
    if (block[0] != '{' || end == NULL || memcmp(block + MT_RESULT_HEADLINE_BYTES, signature, 8) != 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s: not a result of microtome (no headline in front of HDF5 data)", path);
        return NULL;
    }
    g_autofree char *line = g_strndup(block, (gsize)(end - block));
    return check_schema(path, line, error) ? g_steal_pointer(&line) : NULL;
}

char *mt_result_headline(const char *path, GError **error)
{
    int   fd = open_regular(path, error);
    char *line = fd >= 0 ? read_headline(fd, path, error) : NULL;

    if (fd >= 0)
        close(fd);
    return line;
}

mt_result *mt_result_open_foreign(const char *path, GError **error)
{
    g_autoptr(mt_result) result = g_new0(mt_result, 1);

    result->path = g_strdup(path);
    result->file = -1;
    result->driver.id = -1;
    result->fd = open_regular(path, error);
    if (result->fd < 0 || !mt_file_driver_init(&result->driver, result->fd, false, error))
        return NULL;
    g_auto(mt_hid) access = mt_file_driver_access(&result->driver, error);
    if (access < 0)
        return NULL;
    result->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (result->file < 0) {
        mt_hdf5_error(error, MT_ERROR_INPUT, "open %s", path);
        return NULL;
    }
    return g_steal_pointer(&result);
}

mt_result *mt_result_open(const char *path, GError **error)
{
    g_autofree char *line = mt_result_headline(path, error);

    return line != NULL ? mt_result_open_foreign(path, error) : NULL;
}

void mt_result_free(mt_result *result)
{
    if (result == NULL)
        return;
    if (result->file >= 0)
        H5Fclose(result->file);
    mt_file_driver_drop(&result->driver);
    if (result->fd >= 0)
        close(result->fd);
    g_free(result->path);
    g_free(result);
}

const char *mt_result_path(const mt_result *result)
{
    return result->path;
}

/* Hard links all the way: soft, external and user-defined ones lead elsewhere and are not followed. */
bool mt_result_has(const mt_result *result, const char *object)
{
    g_autofree char *path = g_strdup(object);
    H5L_info_t       link;

    if (object[0] != '/')
        return false;
    if (object[1] == '\0')
        return true;
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        if (H5Lexists(result->file, path, H5P_DEFAULT) <= 0 || H5Lget_info(result->file, path, &link, H5P_DEFAULT) < 0 ||
            link.type != H5L_TYPE_HARD)
            return false;
        if (slash == NULL)
            return true;
        *slash = '/';
    }
}

/* Only data in the file itself, packed by nothing but HDF5's own filters. */
static bool refused_storage(mt_hid dataset, char **reason)
{
    g_auto(mt_hid) create = H5Dget_create_plist(dataset);
    int n = H5Pget_nfilters(create);

    if (H5Pget_layout(create) == H5D_VIRTUAL)
        *reason = g_strdup("a virtual dataset is refused");
    else if (H5Pget_external_count(create) != 0)
        *reason = g_strdup("external storage is refused");
    for (int i = 0; *reason == NULL && i < n; i++) {
        unsigned     flags;
        size_t       values = 0;
        H5Z_filter_t filter = H5Pget_filter2(create, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
            *reason = g_strdup_printf("filter %d is refused", (int)filter);
    }
    return *reason != NULL;
}

/* A claim of more bytes than the file can hold (a hundredfold and more behind deflate) would only cost memory. */
static bool refused_size(mt_hid dataset, int64_t elements, char **reason)
{
    g_auto(mt_hid) create = H5Dget_create_plist(dataset);
    g_auto(mt_hid) type = H5Dget_type(dataset);
    int64_t stored = (int64_t)H5Dget_storage_size(dataset);
    int64_t claimed = 0;

    if (__builtin_mul_overflow(elements, (int64_t)H5Tget_size(type), &claimed) || claimed > MT_LIMIT_TENSOR_BYTES ||
        claimed / (H5Pget_nfilters(create) > 0 ? MT_LIMIT_GZIP_RATIO : 1) > stored)
        *reason = g_strdup_printf("it claims %" G_GINT64_FORMAT " elements, its data has %" G_GINT64_FORMAT " bytes", elements, stored);
    return *reason != NULL;
}

static mt_hid open_stored(const mt_result *result, const char *object, GError **error)
{
    g_auto(mt_hid) dataset = -1;
    g_autofree char *reason = NULL;

    if (!mt_result_has(result, object)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: it is not there", object, result->path);
        return -1;
    }
    dataset = H5Dopen2(result->file, object, H5P_DEFAULT);
    if (dataset < 0) {
        mt_hdf5_error(error, MT_ERROR_INPUT, "read %s of %s", object, result->path);
        return -1;
    }
    if (refused_storage(dataset, &reason)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: %s", object, result->path, reason);
        return -1;
    }
    return mt_hid_steal(&dataset);
}

/* One that will be read whole. */
mt_hid mt_result_open_dataset(const mt_result *result, const char *object, GError **error)
{
    g_auto(mt_hid) dataset = open_stored(result, object, error);
    g_autofree char *reason = NULL;

    if (dataset < 0)
        return -1;
    g_auto(mt_hid) space = H5Dget_space(dataset);
    if (refused_size(dataset, H5Sget_simple_extent_npoints(space), &reason)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: %s", object, result->path, reason);
        return -1;
    }
    return mt_hid_steal(&dataset);
}

/* A tensor of the dataset's shape and type, not filled yet. */
static mt_tensor *shape_tensor(const mt_result *result, const char *object, mt_hid dataset, GError **error)
{
    g_auto(mt_hid) space = H5Dget_space(dataset);
    g_auto(mt_hid) type = H5Dget_type(dataset);
    int      rank = H5Sget_simple_extent_ndims(space);
    mt_dtype dtype = mt_hdf5_dtype(type);
    hsize_t  extent[H5S_MAX_RANK];
    int64_t  shape[MT_MAX_RANK];

    if (rank < 0 || rank > MT_MAX_RANK || dtype == MT_DTYPE_NONE || H5Sget_simple_extent_dims(space, extent, NULL) < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: no array of a known number type", object, result->path);
        return NULL;
    }
    for (int i = 0; i < rank; i++)
        shape[i] = (int64_t)extent[i];
    return mt_tensor_new(dtype, rank, shape, error);
}

int mt_result_shape(const mt_result *result, const char *object, int64_t shape[MT_MAX_RANK], GError **error)
{
    g_auto(mt_hid) dataset = open_stored(result, object, error);
    hsize_t extent[H5S_MAX_RANK];

    if (dataset < 0)
        return -1;
    g_auto(mt_hid) space = H5Dget_space(dataset);
    int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0 || rank > MT_MAX_RANK || H5Sget_simple_extent_dims(space, extent, NULL) < 0) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: no array", object, result->path);
        return -1;
    }
    for (int i = 0; i < rank; i++)
        shape[i] = (int64_t)extent[i];
    return rank;
}

mt_tensor *mt_result_read(const mt_result *result, const char *object, GError **error)
{
    g_auto(mt_hid) dataset = mt_result_open_dataset(result, object, error);
    g_autoptr(mt_tensor) tensor = dataset >= 0 ? shape_tensor(result, object, dataset, error) : NULL;

    if (tensor == NULL)
        return NULL;
    g_auto(mt_hid) memory = mt_hdf5_type(tensor->dtype);
    if (mt_tensor_count(tensor) > 0 && H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor->data) < 0) {
        mt_hdf5_error(error, MT_ERROR_INPUT, "read %s of %s", object, result->path);
        return NULL;
    }
    return g_steal_pointer(&tensor);
}

/* Inside the dataset, and every chunk that it touches small enough to be unpacked. */
static bool check_block(mt_hid dataset, int rank, const int64_t *first, const int64_t *count, char **reason)
{
    g_auto(mt_hid) space = H5Dget_space(dataset);
    g_auto(mt_hid) create = H5Dget_create_plist(dataset);
    g_auto(mt_hid) type = H5Dget_type(dataset);
    hsize_t extent[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
    double  bytes = (double)H5Tget_size(type);

    H5Sget_simple_extent_dims(space, extent, NULL);
    for (int i = 0; i < rank && *reason == NULL; i++)
        if (first[i] < 0 || count[i] < 1 || (hsize_t)first[i] >= extent[i] || (hsize_t)count[i] > extent[i] - (hsize_t)first[i])
            *reason =
                g_strdup_printf("elements %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " of axis %d asked for, it has %" G_GUINT64_FORMAT,
                                first[i], first[i] + count[i] - 1, i, (guint64)extent[i]);
    if (H5Pget_layout(create) == H5D_CHUNKED && H5Pget_chunk(create, rank, chunk) == rank)
        for (int i = 0; i < rank; i++)
            bytes *= (double)chunk[i];
    if (*reason == NULL && H5Pget_layout(create) == H5D_CHUNKED && bytes > MAX_CHUNK_BYTES)
        *reason = g_strdup_printf("its chunks of %.0f bytes are larger than %.0f", bytes, (double)MAX_CHUNK_BYTES);
    return *reason == NULL;
}

mt_tensor *mt_result_read_block(const mt_result *result, const char *object, const int64_t *first, const int64_t *count, GError **error)
{
    g_auto(mt_hid) dataset = open_stored(result, object, error);
    g_autofree char *reason = NULL;
    hsize_t          start[MT_MAX_RANK], size[MT_MAX_RANK];

    if (dataset < 0)
        return NULL;
    g_auto(mt_hid) space = H5Dget_space(dataset);
    g_auto(mt_hid) type = H5Dget_type(dataset);
    int      rank = H5Sget_simple_extent_ndims(space);
    mt_dtype dtype = mt_hdf5_dtype(type);
    if (rank < 1 || rank > MT_MAX_RANK || dtype == MT_DTYPE_NONE)
        reason = g_strdup("no array of a known number type");
    if (reason != NULL || !check_block(dataset, rank, first, count, &reason)) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read a block of %s of %s: %s", object, result->path, reason);
        return NULL;
    }
    for (int i = 0; i < rank; i++) {
        start[i] = (hsize_t)first[i];
        size[i] = (hsize_t)count[i];
    }
    g_autoptr(mt_tensor) tensor = mt_tensor_new(dtype, rank, count, error);
    g_auto(mt_hid) memory = tensor != NULL ? H5Screate_simple(rank, size, NULL) : -1;
    g_auto(mt_hid) number = mt_hdf5_type(dtype);
    if (tensor == NULL)
        return NULL;
    if (memory < 0 || H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL) < 0 ||
        H5Dread(dataset, number, memory, space, H5P_DEFAULT, tensor->data) < 0) {
        mt_hdf5_error(error, MT_ERROR_INPUT, "read a block of %s of %s", object, result->path);
        return NULL;
    }
    return g_steal_pointer(&tensor);
}

bool mt_result_read_rows(const mt_result *result, const char *object, int64_t first, int64_t count, float *out, GError **error)
{
    g_auto(mt_hid) dataset = mt_result_open_dataset(result, object, error);
    g_autofree char *name = g_strdup_printf("%s of %s", object, result->path);

    return dataset >= 0 && mt_hdf5_read_rows(dataset, name, first, count, out, error);
}

/* What H5Dread or H5Aread do with (type, buffer). */
typedef herr_t (*read_values)(mt_hid id, mt_hid type, void *buffer);

static herr_t read_dataset(mt_hid id, mt_hid type, void *buffer)
{
    return H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer);
}

static herr_t read_attribute(mt_hid id, mt_hid type, void *buffer)
{
    return H5Aread(id, type, buffer);
}

static char **read_variable_strings(mt_hid id, mt_hid type, mt_hid space, int64_t n, read_values read)
{
    g_autofree char **raw = g_new0(char *, (gsize)n + 1);
    g_auto(mt_hid) memory = H5Tcopy(type);
    char **strings = NULL;

    if (memory >= 0 && read(id, memory, raw) >= 0) {
        strings = g_new0(char *, (gsize)n + 1);
        for (int64_t i = 0; i < n; i++)
            strings[i] = g_utf8_make_valid(raw[i] != NULL ? raw[i] : "", -1);
        H5Dvlen_reclaim(memory, space, H5P_DEFAULT, raw);
    }
    return strings;
}

static char **read_fixed_strings(mt_hid id, mt_hid type, int64_t n, read_values read)
{
    size_t size = H5Tget_size(type);
    char  *raw = mt_alloc(n, size, NULL);
    char **strings = NULL;

    if (raw != NULL && read(id, type, raw) >= 0) {
        strings = g_new0(char *, (gsize)n + 1);
        for (int64_t i = 0; i < n; i++)
            strings[i] = g_utf8_make_valid(raw + (size_t)i * size, (gssize)strnlen(raw + (size_t)i * size, size));
    }
    mt_free(raw);
    return strings;
}

/* The strings of a dataset or an attribute; NULL where it holds something else. */
static char **read_strings(mt_hid id, mt_hid type, mt_hid space, int64_t most, read_values read)
{
    int64_t n = H5Sget_simple_extent_npoints(space);

    if (H5Tget_class(type) != H5T_STRING || n < 0 || n > most)
        return NULL;
    if (n == 0)
        return g_new0(char *, 1);
    return H5Tis_variable_str(type) > 0 ? read_variable_strings(id, type, space, n, read) : read_fixed_strings(id, type, n, read);
}

char *mt_result_read_string(const mt_result *result, const char *object, GError **error)
{
    g_auto(mt_hid) dataset = mt_result_open_dataset(result, object, error);

    if (dataset < 0)
        return NULL;
    g_auto(mt_hid) type = H5Dget_type(dataset);
    g_auto(mt_hid) space = H5Dget_space(dataset);
    g_auto(GStrv) strings = read_strings(dataset, type, space, ATTRIBUTE_VALUES, read_dataset);
    if (strings == NULL || strings[0] == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: no string", object, result->path);
        return NULL;
    }
    return g_strdup(strings[0]);
}

char **mt_result_read_strings(const mt_result *result, const char *object, GError **error)
{
    g_auto(mt_hid) dataset = mt_result_open_dataset(result, object, error);

    if (dataset < 0)
        return NULL;
    g_auto(mt_hid) type = H5Dget_type(dataset);
    g_auto(mt_hid) space = H5Dget_space(dataset);
    char **strings = read_strings(dataset, type, space, COLUMN_VALUES, read_dataset);
    if (strings == NULL)
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: no strings", object, result->path);
    return strings;
}

static mt_hid open_attribute(const mt_result *result, const char *object, const char *name)
{
    g_auto(mt_hid) owner = mt_result_has(result, object) ? H5Oopen(result->file, object, H5P_DEFAULT) : -1;

    return owner >= 0 && H5Aexists(owner, name) > 0 ? H5Aopen(owner, name, H5P_DEFAULT) : -1;
}

bool mt_result_attr(const mt_result *result, const char *object, const char *name, double *values, int n)
{
    g_auto(mt_hid) attribute = open_attribute(result, object, name);

    if (attribute < 0)
        return false;
    g_auto(mt_hid) type = H5Aget_type(attribute);
    g_auto(mt_hid) space = H5Aget_space(attribute);
    int64_t stored = H5Sget_simple_extent_npoints(space);
    if ((H5Tget_class(type) != H5T_INTEGER && H5Tget_class(type) != H5T_FLOAT) || stored < 1 || stored > ATTRIBUTE_VALUES)
        return false;
    g_autofree double *all = g_new0(double, (gsize)stored);
    if (H5Aread(attribute, H5T_NATIVE_DOUBLE, all) < 0)
        return false;
    for (int i = 0; i < n; i++)
        values[i] = i < stored ? all[i] : NAN;
    return true;
}

char **mt_result_attr_strings(const mt_result *result, const char *object, const char *name)
{
    g_auto(mt_hid) attribute = open_attribute(result, object, name);

    if (attribute < 0)
        return NULL;
    g_auto(mt_hid) type = H5Aget_type(attribute);
    g_auto(mt_hid) space = H5Aget_space(attribute);
    return read_strings(attribute, type, space, ATTRIBUTE_VALUES, read_attribute);
}

char *mt_result_attr_string(const mt_result *result, const char *object, const char *name)
{
    g_auto(GStrv) strings = mt_result_attr_strings(result, object, name);

    return strings != NULL && strings[0] != NULL ? g_strdup(strings[0]) : NULL;
}
