#include "src/encoder/card_text.h"
#include "src/pipeline/cut_private.h"
#include "src/pipeline/resolved.h"

#include <jansson.h>
#include <string.h>

/* Of the recipe, what is of an encoder or a head, or is told better below. */
static bool is_of_cutting(const char *key)
{
    static const char *const others[] = {"path",         "encoder",      "precision",        "folder_precision", "head",        "positive",
                                         "batch",        "threshold",    "label_names",      "off_contract",     "mask_method", "min_share",
                                         "stain_method", "stain_target", "degraded_invalid", "withheld_invalid", "plane_axis",  NULL};

    return !g_strv_contains(others, key);
}

static int by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every other field of the recipe, whatever it will have one day: a new option must not mix tiles in an old folder. */
static void put_recipe(GString *text, const mt_recipe *recipe)
{
    g_autofree char *json = mt_recipe_to_json(recipe);
    json_t          *o = json_loads(json, 0, NULL), *value;
    const char      *key;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    json_object_foreach(o, key, value)
    {
        if (!is_of_cutting(key))
            continue;
        char *number = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(12));
        g_ptr_array_add(lines, g_strdup_printf("%s=%s\n", key, number != NULL ? number : json_string_value(value)));
        free(number);
    }
    json_decref(o);
    g_ptr_array_sort(lines, by_text);
    for (guint i = 0; i < lines->len; i++)
        g_string_append(text, lines->pdata[i]);
}

/* What else decides the mask (artefacts taken out of it); method and hash are told of the mask itself. */
static void put_masker(GString *text, const mt_masker *masker)
{
    g_autofree char *lines = mt_masker_text(masker);
    g_auto(GStrv) list = g_strsplit(lines, "\n", -1);

    for (int i = 0; list[i] != NULL; i++)
        if (*list[i] != '\0' && !g_str_has_prefix(list[i], "method=") && !g_str_has_prefix(list[i], "sha256="))
            g_string_append_printf(text, "mask_%s\n", list[i]);
}

char *mt_cut_settings(const mt_cut *cut, GError **error)
{
    const mt_picture_params *picture = &cut->options->picture;
    double                   mpp[2] = {0};
    g_autofree char         *identity = mt_case_identity(cut->job->path, error);

    if (identity == NULL)
        return NULL;
    GString *text = g_string_new("# microtome tile: what the tiles of this folder were cut with\n[case]\n");
    mt_card_text_put(text, "id", cut->job->id);
    mt_card_text_put(text, "identity", identity);
    mt_case_mpp(cut->tiles.c, &mpp[0], &mpp[1]);
    mt_card_text_put_numbers(text, "mpp", mpp, 2);
    g_string_append(text, "\n[recipe]\n");
    mt_card_text_put(text, "mask_method", mt_mask_method(cut->tiles.mask));
    mt_card_text_put(text, "mask_sha256", mt_mask_sha256(cut->tiles.mask));
    put_masker(text, cut->options->masker);
    put_recipe(text, cut->recipe);
    if (cut->stain != NULL)
        mt_resolved_put_stain(text, cut->stain);
    g_string_append(text, "\n[output]\n");
    mt_card_text_put(text, "format", mt_picture_format_name(picture->format));
    if (picture->format != MT_PICTURE_PNG)
        g_string_append_printf(text, "quality=%d\n", picture->quality);
    if (mt_cut_is_sharded(cut))
        g_string_append_printf(text, "shards=%" G_GINT64_FORMAT "\nshard_bytes=%" G_GINT64_FORMAT "\n", cut->options->shards,
                               cut->options->shard_bytes);
    return g_string_free(text, FALSE);
}
