#include "src/pipeline/invalid_tiles.h"

#include "src/store/schema.h"

#include <string.h>

#define REASON_BYTES 200

struct mt_invalid_tiles {
    GArray       *tiles;   /* int64_t */
    GPtrArray    *reasons; /* of each tile; the strings are those of `texts` */
    GStringChunk *texts;
};

mt_invalid_tiles *mt_invalid_tiles_new(void)
{
    mt_invalid_tiles *invalid = g_new0(mt_invalid_tiles, 1);

    invalid->tiles = g_array_new(FALSE, FALSE, sizeof(int64_t));
    invalid->reasons = g_ptr_array_new();
    invalid->texts = g_string_chunk_new(1024);
    return invalid;
}

void mt_invalid_tiles_free(mt_invalid_tiles *invalid)
{
    if (invalid == NULL)
        return;
    g_array_unref(invalid->tiles);
    g_ptr_array_unref(invalid->reasons);
    g_string_chunk_free(invalid->texts);
    g_free(invalid);
}

void mt_invalid_tiles_add(mt_invalid_tiles *invalid, int64_t tile, const char *reason)
{
    g_array_append_val(invalid->tiles, tile);
    g_ptr_array_add(invalid->reasons, g_string_chunk_insert_const(invalid->texts, reason));
}

int64_t mt_invalid_tiles_count(const mt_invalid_tiles *invalid)
{
    return invalid->tiles->len;
}

const char *mt_invalid_tiles_reason(const mt_invalid_tiles *invalid)
{
    g_autoptr(GHashTable) counts = g_hash_table_new(g_direct_hash, g_direct_equal); /* equal texts are one pointer */
    const char *best = NULL;
    gint64      most = 0;

    for (guint i = 0; i < invalid->reasons->len; i++) {
        char *reason = invalid->reasons->pdata[i];
        g_hash_table_insert(counts, reason, GINT_TO_POINTER(GPOINTER_TO_INT(g_hash_table_lookup(counts, reason)) + 1));
    }
    for (guint i = 0; i < invalid->reasons->len; i++) {
        gint64 count = GPOINTER_TO_INT(g_hash_table_lookup(counts, invalid->reasons->pdata[i]));
        if (count > most) {
            best = invalid->reasons->pdata[i];
            most = count;
        }
    }
    return best;
}

bool mt_invalid_tiles_store(const mt_invalid_tiles *invalid, mt_store *store, GError **error)
{
    int64_t n = invalid->tiles->len;
    g_autoptr(mt_tensor) tiles = mt_tensor_new_view(MT_I64, 1, &n, invalid->tiles->data, NULL);

    return n == 0 || (mt_store_write(store, MT_OBJECT_INVALID_TILE, tiles, error) &&
                      mt_store_write_strings(store, MT_OBJECT_INVALID_REASON, (const char *const *)invalid->reasons->pdata, n, error));
}

/* Behind the two prefixes that the tile reader and the case put before a backend's words: "read tile N at (..) of plane P: " and
 * "read PATH: level L, W x H pixels at (X, Y): ". */
static const char *backend_words(const char *message, const char *path)
{
    g_autofree char *before = g_strdup_printf("read %s: level ", path);
    const char      *found = strstr(message, before);
    const char      *words = found != NULL ? strstr(found + strlen(before), "): ") : NULL;

    if (words == NULL)
        return message;
    words += strlen("): ");
    /* "tile 48 cannot be decoded: ": the same damage is one reason wherever it is */
    const char *end = strstr(words, ": ");
    return g_str_has_prefix(words, "tile ") && end != NULL && g_ascii_isdigit(words[5]) ? end + 2 : words;
}

static char *replace_all(char *text, const char *part, const char *by)
{
    g_auto(GStrv) pieces = g_strsplit(text, part, -1);

    g_free(text);
    return g_strjoinv(by, pieces);
}

char *mt_invalid_reason(const char *message, const char *path)
{
    g_autofree char *name = g_path_get_basename(path), *folder = g_path_get_dirname(path);
    char            *text = g_utf8_make_valid(backend_words(message, path), -1);

    text = replace_all(text, path, "the file");
    text = replace_all(text, name, "the file");
    if (strlen(folder) > 1)
        text = replace_all(text, folder, "its folder");
    for (char *p = text; *p != '\0'; p++)
        if (g_ascii_iscntrl(*p))
            *p = ' ';
    if (strlen(text) > REASON_BYTES) {
        char *end = g_utf8_find_prev_char(text, text + REASON_BYTES + 1);
        *end = '\0';
    }
    return g_strstrip(text);
}
