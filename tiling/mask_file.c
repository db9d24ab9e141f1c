#include "tiling/mask_file.h"

#include "src/base/hash.h"

#include <glib/gstdio.h>
#include <string.h>

static const char *const TYPES[] = {".geojson", ".json", ".png", ".tif", ".tiff", ".jpg", ".jpeg", NULL};

bool mt_mask_method_is_external(const char *method)
{
    return (g_str_has_prefix(method, "file:") && method[5] != '\0') || (g_str_has_prefix(method, "model:") && method[6] != '\0');
}

static int find_type(const char *path)
{
    size_t n = strlen(path);

    for (int i = 0; TYPES[i] != NULL; i++) {
        size_t ending = strlen(TYPES[i]);
        if (n > ending && g_ascii_strcasecmp(path + n - ending, TYPES[i]) == 0)
            return i;
    }
    return -1;
}

bool mt_mask_file_check_type(const char *path, GError **error)
{
    if (find_type(path) >= 0)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "use %s as a mask: a name in .geojson, .json, .png, .tif, .tiff, .jpg or .jpeg is wanted",
                path);
    return false;
}

/* Masks may lie beside their slides: a case is no mask of itself. */
static bool is_same_file(const char *a, const char *b)
{
    GStatBuf one, other;

    return g_stat(a, &one) == 0 && g_stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* The file `name` with one of the endings; NULL with *both where there are two. */
static char *search_name(const char *folder, const char *name, const char *case_path, char **both)
{
    char *found = NULL;

    for (int i = 0; TYPES[i] != NULL; i++) {
        g_autofree char *file = g_strconcat(name, TYPES[i], NULL), *path = g_build_filename(folder, file, NULL);
        if (!g_file_test(path, G_FILE_TEST_IS_REGULAR) || is_same_file(path, case_path))
            continue;
        if (found != NULL) {
            g_autofree char *first = g_steal_pointer(&found);
            *both = g_strdup_printf("%s and %s", first, path);
            return NULL;
        }
        found = g_steal_pointer(&path);
    }
    return found;
}

static char *stem_of(const char *path)
{
    char *name = g_path_get_basename(path), *dot = strrchr(name, '.');

    if (dot != NULL && dot != name)
        *dot = '\0';
    return name;
}

char *mt_mask_file_search(const char *folder, const char *id, const char *case_path, GError **error)
{
    g_autofree char *stem = stem_of(case_path), *both = NULL;
    char            *found = id != NULL ? search_name(folder, id, case_path, &both) : NULL;

    if (found == NULL && both == NULL)
        found = search_name(folder, stem, case_path, &both);
    if (found != NULL)
        return found;
    if (both != NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "find the mask of %s: there are %s: keep one", case_path, both);
        return NULL;
    }
    g_autofree char *other = id != NULL && strcmp(id, stem) != 0 ? g_strdup_printf(" or %s.geojson, ..", id) : g_strdup("");
    g_set_error(error, MT_ERROR, MT_ERROR_MISSING,
                "find the mask of %s: in folder %s there is no %s.geojson, .json, .png, .tif, .tiff, .jpg or .jpeg%s", case_path, folder,
                stem, other);
    return NULL;
}

bool mt_mask_file_find(const char *path, mt_case *c, mt_foreground *found, GError **error)
{
    g_autofree char *name = g_path_get_basename(path);
    int              type = find_type(path);

    if (!mt_mask_file_check_type(path, error))
        return false;
    g_autofree char *sha256 = mt_hash_file(path, error);
    if (sha256 == NULL || !(type < 2 ? mt_mask_regions_find : mt_mask_image_find)(path, c, found, error))
        return false;
    found->method = g_strconcat("file:", name, NULL);
    found->sha256 = g_steal_pointer(&sha256);
    return true;
}
