#include "src/store/result_private.h"

#define MOST_OBJECTS 4096

static herr_t take_name(hid_t group, const char *name, const H5L_info_t *link, void *user)
{
    GPtrArray *names = user;

    (void)group;
    if (link->type == H5L_TYPE_HARD)
        g_ptr_array_add(names, g_strdup(name));
    return names->len < MOST_OBJECTS ? 0 : -1;
}

char **mt_result_names(const mt_result *result, GError **error)
{
    GPtrArray *names = g_ptr_array_new();
    herr_t     done = H5Literate(result->file, H5_INDEX_NAME, H5_ITER_INC, NULL, take_name, names);

    g_ptr_array_add(names, NULL);
    if (done >= 0)
        return (char **)g_ptr_array_free(names, FALSE);
    g_strfreev((char **)g_ptr_array_free(names, FALSE));
    mt_hdf5_error(error, MT_ERROR_INPUT, "list %s", result->path);
    return NULL;
}
