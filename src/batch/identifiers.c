/* Keyed hashes in the place of the lab's own identifiers: ids, patients and the columns of manifests. */
#include <microtome/batch.h>

#include "src/base/csv.h"
#include "src/base/hash.h"
#include "src/base/publish.h"

#include <string.h>

#define KEY_BYTES_LEAST 16
#define KEY_BYTES_MOST 4096
#define HASH_DIGITS 32 /* 128 bits: no two of a lab's cases meet */

typedef struct secret {
    char *bytes;
    gsize n;
} secret;

/* Equal texts of different kinds have different hashes. */
static char *hash_text(const secret *key, const char *kind, const char *text)
{
    g_autofree char *message = g_strdup_printf("%s:%s", kind, text), *hex = mt_hash_keyed(key->bytes, key->n, message, strlen(message));

    return g_strndup(hex, HASH_DIGITS);
}

/* What is a number or a word of ours, and tells of nobody. */
static bool is_harmless(const char *name)
{
    static const char *const names[] = {"mpp", "preparation", "priority", "due", "control", NULL};

    return g_strv_contains(names, name);
}

static void replace(char **field, char *value)
{
    g_free(*field);
    *field = value;
}

static void hash_case(const secret *key, mt_batch_case *c)
{
    replace(&c->id, hash_text(key, "id", c->id));
    replace(&c->shown, g_strdup(c->id));
    if (c->patient != NULL && *c->patient != '\0')
        replace(&c->patient, hash_text(key, "patient", c->patient));
    for (char **pair = c->columns; pair != NULL && pair[0] != NULL; pair += 2)
        if (!is_harmless(pair[0]) && strcmp(pair[0], "patient") != 0)
            replace(&pair[1], hash_text(key, pair[0], pair[1]));
        else if (strcmp(pair[0], "patient") == 0 && c->patient != NULL)
            replace(&pair[1], g_strdup(c->patient));
}

static bool read_key(const char *path, const char *out, secret *key, GError **error)
{
    g_autofree char *whole = g_canonicalize_filename(path, NULL), *folder = g_canonicalize_filename(out, NULL);
    g_autofree char *inside = g_strconcat(folder, "/", NULL);
    g_autoptr(GError) cause = NULL;

    if (g_str_has_prefix(whole, inside)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "--identifiers-key %s: it lies in the output folder, beside what it hides: keep it elsewhere", path);
        return false;
    }
    if (!g_file_get_contents(path, &key->bytes, &key->n, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "--identifiers-key %s: %s: make one with: head -c 32 /dev/urandom > %s", path,
                    cause->message, path);
        return false;
    }
    if (key->n >= KEY_BYTES_LEAST && key->n <= KEY_BYTES_MOST)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "--identifiers-key %s: a key has %d to %d bytes, it has %zu", path, KEY_BYTES_LEAST,
                KEY_BYTES_MOST, (size_t)key->n);
    return false;
}

/* KEY.ids.csv beside the key: which hash is which case.  Rows are added, none is taken away. */
static bool keep_names(const char *key_path, GPtrArray *names, GPtrArray *cases, GError **error)
{
    g_autofree char *path = g_strconcat(key_path, ".ids.csv", NULL);
    g_autoptr(mt_csv) csv = mt_csv_read(path, NULL);
    g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GString) text = g_string_new("hash,id\n");
    guint before;

    for (guint row = 0; csv != NULL && row < csv->rows->len; row++) {
        const char *hash = mt_csv_cell(csv, row, 0);
        g_hash_table_add(known, (char *)hash);
        mt_csv_append_text(text, hash, true);
        mt_csv_append_text(text, csv->header->len > 1 ? mt_csv_cell(csv, row, 1) : "", false);
        g_string_append_c(text, '\n');
    }
    before = g_hash_table_size(known);
    for (guint i = 0; i < cases->len; i++) {
        const mt_batch_case *c = cases->pdata[i];
        if (!g_hash_table_add(known, c->id))
            continue;
        mt_csv_append_text(text, c->id, true);
        mt_csv_append_text(text, names->pdata[i], false);
        g_string_append_c(text, '\n');
    }
    return g_hash_table_size(known) == before || mt_publish_text(path, text->str, true, error);
}

bool mt_batch_hash_identifiers(GPtrArray *cases, const char *key_path, const char *out, GError **error)
{
    secret key = {0};
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (!read_key(key_path, out, &key, error))
        return false;
    for (guint i = 0; i < cases->len; i++) {
        g_ptr_array_add(names, g_strdup(((mt_batch_case *)cases->pdata[i])->id));
        hash_case(&key, cases->pdata[i]);
    }
    g_free(key.bytes);
    return keep_names(key_path, names, cases, error);
}
