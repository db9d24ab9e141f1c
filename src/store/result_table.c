#include "src/store/result_table.h"

#include "src/store/result_private.h"

#define MOST_ROWS 65536

/* The dataset, open, when it is a table; *rows of it. */
static mt_hid open_table(const mt_result *result, const char *object, int64_t *rows, GError **error)
{
    g_auto(mt_hid) dataset = mt_result_open_dataset(result, object, error);

    if (dataset < 0)
        return -1;
    g_auto(mt_hid) type = H5Dget_type(dataset);
    g_auto(mt_hid) space = H5Dget_space(dataset);
    *rows = H5Sget_simple_extent_ndims(space) == 1 ? (int64_t)H5Sget_simple_extent_npoints(space) : -1;
    if (H5Tget_class(type) == H5T_COMPOUND && *rows >= 0 && *rows <= MOST_ROWS)
        return mt_hid_steal(&dataset);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: no table of at most %d rows", object, result->path, MOST_ROWS);
    return -1;
}

int64_t mt_result_table_rows(const mt_result *result, const char *object, GError **error)
{
    int64_t rows = -1;
    g_auto(mt_hid) dataset = open_table(result, object, &rows, error);

    return dataset >= 0 ? rows : -1;
}

/* A type in memory of that column alone; -1 with an error. */
static mt_hid column_type(const mt_result *result, const char *object, mt_hid dataset, const char *column, bool text, GError **error)
{
    g_auto(mt_hid) stored = H5Dget_type(dataset);
    g_auto(mt_hid) wanted = text ? mt_hdf5_string_type() : H5Tcopy(H5T_NATIVE_DOUBLE);
    g_auto(mt_hid) memory = H5Tcreate(H5T_COMPOUND, text ? sizeof(char *) : sizeof(double));
    int member = H5Tget_member_index(stored, column);
    g_auto(mt_hid) its = member >= 0 ? H5Tget_member_type(stored, (unsigned)member) : -1;
    bool fits = false;

    if (its >= 0)
        fits = text ? H5Tis_variable_str(its) > 0 : H5Tget_class(its) == H5T_FLOAT || H5Tget_class(its) == H5T_INTEGER;
    if (fits && memory >= 0 && wanted >= 0 && H5Tinsert(memory, column, 0, wanted) >= 0)
        return mt_hid_steal(&memory);
    g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "read %s of %s: no column %s of %s", object, result->path, column,
                text ? "strings" : "numbers");
    return -1;
}

double *mt_result_table_numbers(const mt_result *result, const char *object, const char *column, GError **error)
{
    int64_t rows = -1;
    g_auto(mt_hid) dataset = open_table(result, object, &rows, error);
    g_auto(mt_hid) memory = dataset >= 0 ? column_type(result, object, dataset, column, false, error) : -1;
    g_autofree double *values = memory >= 0 ? g_new0(double, (gsize)rows + 1) : NULL;

    if (values != NULL && rows > 0 && H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        mt_hdf5_error(error, MT_ERROR_INPUT, "read %s of %s", object, result->path);
        return NULL;
    }
    return g_steal_pointer(&values);
}

char **mt_result_table_texts(const mt_result *result, const char *object, const char *column, GError **error)
{
    int64_t rows = -1;
    g_auto(mt_hid) dataset = open_table(result, object, &rows, error);
    g_auto(mt_hid) memory = dataset >= 0 ? column_type(result, object, dataset, column, true, error) : -1;

    if (memory < 0)
        return NULL;
    g_autofree char **raw = g_new0(char *, (gsize)rows + 1);
    if (rows > 0 && H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw) < 0) {
        mt_hdf5_error(error, MT_ERROR_INPUT, "read %s of %s", object, result->path);
        return NULL;
    }
    char **texts = g_new0(char *, (gsize)rows + 1);
    for (int64_t i = 0; i < rows; i++)
        texts[i] = g_utf8_make_valid(raw[i] != NULL ? raw[i] : "", -1);
    g_auto(mt_hid) space = H5Dget_space(dataset);
    H5Dvlen_reclaim(memory, space, H5P_DEFAULT, raw);
    return texts;
}
