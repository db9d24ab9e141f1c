/* GLib key files read strictly: an unknown group or key is an error, sizes are limited, paths stay below the file. */
#ifndef MT_KEY_FILE_H
#define MT_KEY_FILE_H

#include <microtome/error.h>

/* What a file may contain: "group", "key" pairs, ended by {NULL, NULL}.  A group may end in ".*" ("stage.*"), a key may be
 * "*" (any). */
typedef struct mt_key {
    const char *group, *key;
} mt_key;

/* MT_ERROR_MISSING, MT_ERROR_MODEL for what it does not understand: names file, group and key. */
GKeyFile *mt_key_file_load(const char *path, const mt_key *keys, GError **error);
/* The same from text (safetensors metadata); `name` is for messages. */
GKeyFile *mt_key_file_load_data(const char *text, size_t bytes, const char *name, const mt_key *keys, GError **error);

/* Typed reads. An absent key leaves *value as it is and returns true; a malformed one is MT_ERROR_MODEL naming `path`. */
bool mt_key_file_string(GKeyFile *file, const char *path, const char *group, const char *key, char **value, GError **error);
bool mt_key_file_int(GKeyFile *file, const char *path, const char *group, const char *key, int min, int max, int *value, GError **error);
bool mt_key_file_double(GKeyFile *file, const char *path, const char *group, const char *key, double min, double max, double *value,
                        GError **error);
bool mt_key_file_bool(GKeyFile *file, const char *path, const char *group, const char *key, bool *value, GError **error);
/* Values separated by ';', NULL-terminated. */
bool mt_key_file_list(GKeyFile *file, const char *path, const char *group, const char *key, char ***value, GError **error);
bool mt_key_file_doubles(GKeyFile *file, const char *path, const char *group, const char *key, int max_n, double *values, int *n,
                         GError **error);

/* `relative` resolved against the folder of `path`.  MT_ERROR_MODEL when it is absolute or leads above that folder. */
char *mt_key_file_resolve(const char *path, const char *relative, GError **error);

#endif
