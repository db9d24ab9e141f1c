#include "src/base/key_file.h"

#include "src/base/limits.h"

#include <math.h>
#include <string.h>

static bool group_matches(const char *pattern, const char *group)
{
    size_t n = strlen(pattern);

    if (n >= 2 && strcmp(pattern + n - 2, ".*") == 0)
        return strncmp(pattern, group, n - 1) == 0 && group[n - 1] != '\0';
    return strcmp(pattern, group) == 0;
}

static bool check_key(const mt_key *keys, const char *name, const char *group, const char *key, GError **error)
{
    bool group_known = false;

    for (const mt_key *k = keys; k->group != NULL; k++) {
        if (!group_matches(k->group, group))
            continue;
        group_known = true;
        if (key == NULL || strcmp(k->key, "*") == 0 || strcmp(k->key, key) == 0)
            return true;
    }
    if (group_known)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: unknown key '%s' in [%s]", name, key, group);
    else
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: unknown group [%s]", name, group);
    return false;
}

static bool check_keys(GKeyFile *file, const mt_key *keys, const char *name, GError **error)
{
    g_auto(GStrv) groups = g_key_file_get_groups(file, NULL);

    for (char **group = groups; *group != NULL; group++) {
        g_auto(GStrv) names = g_key_file_get_keys(file, *group, NULL, NULL);
        if (!check_key(keys, name, *group, NULL, error))
            return false;
        for (char **key = names; key != NULL && *key != NULL; key++)
            if (!check_key(keys, name, *group, *key, error))
                return false;
    }
    return true;
}

GKeyFile *mt_key_file_load_data(const char *text, size_t bytes, const char *name, const mt_key *keys, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) cause = NULL;

    if (bytes > (size_t)MT_LIMIT_KEY_FILE_BYTES || !g_utf8_validate(text, (gssize)bytes, NULL)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: not a UTF-8 key file of at most 1 MB", name);
        return NULL;
    }
    if (bytes > 0 && !g_key_file_load_from_data(file, text, bytes, G_KEY_FILE_NONE, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: %s", name, cause->message);
        return NULL;
    }
    return check_keys(file, keys, name, error) ? g_steal_pointer(&file) : NULL;
}

GKeyFile *mt_key_file_load(const char *path, const mt_key *keys, GError **error)
{
    g_autofree char *text = NULL;
    gsize            bytes;
    g_autoptr(GError) cause = NULL;

    if (!g_file_get_contents(path, &text, &bytes, &cause)) {
        bool missing = g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT);
        g_set_error(error, MT_ERROR, missing ? MT_ERROR_MISSING : MT_ERROR_IO, "read %s: %s", path,
                    missing ? "no such file" : cause->message);
        return NULL;
    }
    return mt_key_file_load_data(text, bytes, path, keys, error);
}

static bool malformed(const char *path, const char *group, const char *key, const char *value, const char *wanted, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [%s] %s=%s: %s is wanted", path, group, key, value, wanted);
    return false;
}

bool mt_key_file_string(GKeyFile *file, const char *path, const char *group, const char *key, char **value, GError **error)
{
    char *text = g_key_file_get_string(file, group, key, NULL);

    if (text == NULL && g_key_file_has_key(file, group, key, NULL))
        return malformed(path, group, key, "?", "plain text", error);
    if (text != NULL) {
        g_free(*value);
        *value = g_strstrip(text);
    }
    return true;
}

static bool parse_double(const char *text, double min, double max, double *value)
{
    char  *end;
    double parsed = g_ascii_strtod(text, &end);

    if (end == text || *g_strchug(end) != '\0' || !isfinite(parsed) || parsed < min || parsed > max)
        return false;
    *value = parsed;
    return true;
}

bool mt_key_file_double(GKeyFile *file, const char *path, const char *group, const char *key, double min, double max, double *value,
                        GError **error)
{
    g_autofree char *text = g_key_file_get_value(file, group, key, NULL);

    if (text == NULL || parse_double(text, min, max, value))
        return true;
    g_autofree char *wanted = g_strdup_printf("a number from %g to %g", min, max);
    return malformed(path, group, key, text, wanted, error);
}

bool mt_key_file_int(GKeyFile *file, const char *path, const char *group, const char *key, int min, int max, int *value, GError **error)
{
    g_autofree char *text = g_key_file_get_value(file, group, key, NULL);
    double           parsed;

    if (text == NULL)
        return true;
    if (parse_double(text, min, max, &parsed) && parsed == floor(parsed)) {
        *value = (int)parsed;
        return true;
    }
    g_autofree char *wanted = g_strdup_printf("a whole number from %d to %d", min, max);
    return malformed(path, group, key, text, wanted, error);
}

bool mt_key_file_bool(GKeyFile *file, const char *path, const char *group, const char *key, bool *value, GError **error)
{
    g_autofree char *text = g_key_file_get_value(file, group, key, NULL);

    if (text == NULL)
        return true;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return malformed(path, group, key, text, "true or false", error);
    *value = *text == 't';
    return true;
}

bool mt_key_file_list(GKeyFile *file, const char *path, const char *group, const char *key, char ***value, GError **error)
{
    char **list = g_key_file_get_string_list(file, group, key, NULL, NULL);

    if (list == NULL && g_key_file_has_key(file, group, key, NULL))
        return malformed(path, group, key, "?", "a list separated by ';'", error);
    if (list != NULL) {
        for (char **item = list; *item != NULL; item++)
            g_strstrip(*item);
        g_strfreev(*value);
        *value = list;
    }
    return true;
}

bool mt_key_file_doubles(GKeyFile *file, const char *path, const char *group, const char *key, int max_n, double *values, int *n,
                         GError **error)
{
    g_auto(GStrv) list = NULL;

    if (!mt_key_file_list(file, path, group, key, &list, error))
        return false;
    if (list == NULL)
        return true;
    int count = (int)g_strv_length(list);
    for (int i = 0; i < count; i++)
        if (count > max_n || !parse_double(list[i], -1e30, 1e30, &values[i])) {
            g_autofree char *wanted = g_strdup_printf("a list of at most %d numbers separated by ';'", max_n);
            return malformed(path, group, key, list[i], wanted, error);
        }
    *n = count;
    return true;
}

char *mt_key_file_resolve(const char *path, const char *relative, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(relative, "/", -1);
    bool below = !g_path_is_absolute(relative) && *relative != '\0';

    for (char **part = parts; *part != NULL; part++)
        below = below && strcmp(*part, "..") != 0;
    if (!below) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: path '%s': only paths below the file's own folder are followed", path,
                    relative);
        return NULL;
    }
    g_autofree char *folder = g_path_get_dirname(path);
    return g_build_filename(folder, relative, NULL);
}
