#include "src/encoder/nnunet_labels.h"

#include "src/base/limits.h"
#include "src/encoder/card.h"

#include <string.h>
#include <sys/stat.h>

#define IGNORE "ignore" /* nnU-Net's name for what was not annotated: no output has it */

json_t *mt_nnunet_json(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize            bytes;
    json_error_t     where;
    struct stat      about;

    if (stat(path, &about) != 0 || !g_file_get_contents(path, &text, &bytes, NULL)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING,
                    "read %s: no such file: a folder of nnU-Net version 2 has plans.json and dataset.json", path);
        return NULL;
    }
    if (bytes > (gsize)MT_LIMIT_JSON_BYTES) {
        mt_card_error(error, path, "it has %" G_GSIZE_FORMAT " bytes", bytes);
        return NULL;
    }
    json_t *json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL)
        mt_card_error(error, path, "line %d is no JSON: %s", where.line, where.text);
    else if (!json_is_object(json)) {
        mt_card_error(error, path, "an object is wanted");
        json_decref(json);
        json = NULL;
    }
    return json;
}

static bool wrong(const char *path, const char *key, const char *wanted, GError **error)
{
    mt_card_error(error, path, "\"%s\": %s", key, wanted);
    return false;
}

static bool read_channels(const json_t *dataset, const char *path, mt_dense_card *card, GError **error)
{
    const json_t *names = json_object_get(dataset, "channel_names");
    size_t        n = json_object_size(names != NULL ? names : (names = json_object_get(dataset, "modality")));

    if (n < 1 || n > MT_DENSE_MAX_CHANNELS)
        return wrong(path, "channel_names", "{\"0\": \"CT\"}, 1 to 64 channels, is wanted", error);
    card->channels = g_new0(char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        g_autofree char *key = g_strdup_printf("%" G_GSIZE_FORMAT, i);
        const char      *name = json_string_value(json_object_get(names, key));

        if (name == NULL)
            return wrong(path, "channel_names", "the keys \"0\", \"1\", .. with a name each are wanted", error);
        card->channels[i] = g_strdup(name);
    }
    card->n_channels = (int)n;
    return true;
}

/* A value 0 to 255, or -1. */
static int value_of(const json_t *item)
{
    json_int_t value = json_is_integer(item) ? json_integer_value(item) : -1;

    return value >= 0 && value <= 255 ? (int)value : -1;
}

/* What a label is made of: one value, or a list; false when it is neither. */
static bool values_of(const json_t *item, bool values[256], int *n)
{
    memset(values, 0, 256 * sizeof *values);
    *n = json_is_array(item) ? (int)json_array_size(item) : 1;
    for (int i = 0; i < *n; i++) {
        int value = value_of(json_is_array(item) ? json_array_get(item, (size_t)i) : item);

        if (value < 0)
            return false;
        values[value] = true;
    }
    return *n > 0;
}

static bool is_background(const bool values[256])
{
    for (int v = 1; v < 256; v++)
        if (values[v])
            return false;
    return true;
}

/* Each foreground entry is a channel of the output, in the order of the file. */
static bool read_regions(const json_t *labels, const json_t *order, const char *path, mt_dense_card *card, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    json_t     *item;
    bool        values[256];
    int         n, label = 0;

    json_object_foreach((json_t *)labels, name, item) if (strcmp(name, IGNORE) != 0 && values_of(item, values, &n) &&
                                                          !is_background(values)) g_ptr_array_add(names, g_strdup(name));
    if (names->len == 0 || json_array_size(order) != names->len)
        return wrong(path, "regions_class_order", "one value for each region of labels is wanted", error);
    g_ptr_array_add(names, NULL);
    mt_dense_card_set_labels(card, (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE));
    json_object_foreach((json_t *)labels, name, item)
    {
        if (strcmp(name, IGNORE) == 0 || !values_of(item, values, &n) || is_background(values))
            continue;
        int painted = value_of(json_array_get(order, (size_t)label));
        if (painted < 1)
            return wrong(path, "regions_class_order", "values from 1 to 255 are wanted", error);
        card->values[label] = (uint8_t)painted;
        memset(card->members[label], 0, sizeof card->members[label]);
        for (int v = 1; v < 256; v++)
            if (values[v])
                mt_dense_card_add_member(card, label, (uint8_t)v);
        label++;
    }
    card->regions = true;
    card->activation = MT_DENSE_SIGMOID;
    return true;
}

/* Channel i of the output is the label of value i. */
static bool read_classes(const json_t *labels, const char *path, mt_dense_card *card, GError **error)
{
    const char *name;
    json_t     *item;
    size_t      n = json_object_size(labels) - (json_object_get(labels, IGNORE) != NULL);
    char      **names = g_new0(char *, n + 1);
    bool        ok = n >= 2;

    json_object_foreach((json_t *)labels, name, item)
    {
        int value = value_of(json_is_array(item) ? json_array_get(item, 0) : item);

        if (strcmp(name, IGNORE) == 0)
            continue;
        ok = ok && value >= 0 && (size_t)value < n && names[value] == NULL;
        if (ok)
            names[value] = g_strdup(name);
    }
    if (ok) {
        mt_dense_card_set_labels(card, names);
        return true;
    }
    for (size_t i = 0; i < n; i++)
        g_free(names[i]);
    g_free(names);
    return wrong(path, "labels", "background 0 and the values 1, 2, .. without a gap are wanted, each once", error);
}

static bool read_labels(const json_t *dataset, const char *path, mt_dense_card *card, GError **error)
{
    const json_t *labels = json_object_get(dataset, "labels");
    const char   *name;
    json_t       *item;
    bool          regions = false, values[256];
    int           n;

    if (!json_is_object(labels))
        return wrong(path, "labels", "{\"background\": 0, ..} is wanted", error);
    if (json_object_get(labels, "0") != NULL && json_is_string(json_object_get(labels, "0")))
        return wrong(path, "labels", "{\"0\": NAME} is how version 1 wrote it: {NAME: 0} is wanted", error);
    json_object_foreach((json_t *)labels, name, item)
    {
        if (!values_of(item, values, &n)) {
            g_autofree char *wanted = g_strdup_printf("%s: a value from 0 to 255, or a list of them, is wanted", name);
            return wrong(path, "labels", wanted, error);
        }
        regions = regions || n > 1;
    }
    return regions ? read_regions(labels, json_object_get(dataset, "regions_class_order"), path, card, error)
                   : read_classes(labels, path, card, error);
}

bool mt_nnunet_read_dataset(const json_t *dataset, const char *path, mt_dense_card *card, GError **error)
{
    const char *licence = json_string_value(json_object_get(dataset, "licence"));

    if (licence == NULL)
        licence = json_string_value(json_object_get(dataset, "license"));
    g_free(card->licence);
    card->licence = g_strdup(licence);
    card->demonstration = json_is_true(json_object_get(dataset, "demonstration")); /* ours: nnU-Net reads past it */
    return read_channels(dataset, path, card, error) && read_labels(dataset, path, card, error);
}
