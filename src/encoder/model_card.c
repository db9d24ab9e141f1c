#include "src/encoder/model_card.h"

#include "src/encoder/timm_config.h"

#include <string.h>

static char *without_suffix(const char *path)
{
    return g_str_has_suffix(path, ".onnx") ? g_strndup(path, strlen(path) - strlen(".onnx")) : g_strdup(path);
}

char *mt_model_card_name(const char *model_path)
{
    g_autofree char *file = g_path_get_basename(model_path);

    return without_suffix(file);
}

char *mt_model_card_path(const char *model_path)
{
    g_autofree char *stem = without_suffix(model_path);

    return g_strconcat(stem, ".card", NULL);
}

/* The two JSON files; one that says nothing about pixels (a model's own config.json) is passed over. */
static mt_card *from_json(const char *model_path, bool *found, GError **error)
{
    static const char *const names[] = {"config.json", "preprocessor_config.json"};
    g_autofree char         *folder = g_path_get_dirname(model_path);

    *found = false;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);
        g_autoptr(GError) cause = NULL;
        if (!g_file_test(path, G_FILE_TEST_EXISTS))
            continue;
        mt_card *card = mt_timm_config_read(path, found, &cause);
        *found = *found || cause != NULL;
        if (cause != NULL)
            g_propagate_error(error, g_steal_pointer(&cause));
        if (*found)
            return card;
    }
    return NULL;
}

/* One property a key; size_px is the one that makes it a contract ("name" alone is what exporters write). */
static char *card_of_properties(const mt_model *model)
{
    g_autoptr(GString) text = g_string_new("[encoder]\n");

    if (mt_model_metadata(model, "size_px") == NULL)
        return NULL;
    for (const char *const *key = mt_card_keys; *key != NULL; key++) {
        const char *value = mt_model_metadata(model, *key);
        if (value != NULL && strpbrk(value, "\r\n") == NULL)
            g_string_append_printf(text, "%s=%s\n", *key, value);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static mt_card *from_metadata(const char *model_path, const mt_model *model, bool *found, GError **error)
{
    const char      *whole = mt_model_metadata(model, "microtome.card");
    g_autofree char *text = whole != NULL ? g_strdup(whole) : card_of_properties(model);
    g_autofree char *source = g_strdup_printf("the metadata of %s", model_path);

    *found = text != NULL;
    return text == NULL ? NULL : mt_card_read_text(text, strlen(text), source, error);
}

mt_card *mt_model_card_find(const char *model_path, const mt_model *model, GError **error)
{
    g_autofree char *card = mt_model_card_path(model_path);
    bool             found;

    if (g_file_test(card, G_FILE_TEST_EXISTS))
        return mt_card_read(card, error);
    mt_card *from = from_json(model_path, &found, error);
    if (!found)
        from = from_metadata(model_path, model, &found, error);
    if (!found)
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "load %s: no contract: neither %s, nor config.json beside it, nor metadata in the file says what pixels it wants: "
                    "write %s (see microtome model --help)",
                    model_path, card, card);
    return from;
}
