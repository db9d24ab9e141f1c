#include "src/encoder/timm_config.h"

#include "src/base/limits.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define CONFIG_BYTES (INT64_C(4) << 20) /* real ones are 1 to 3 kB; a model's own config with a thousand labels 100 kB */

static void free_json(json_t *json)
{
    json_decref(json);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, free_json)

static bool wrong(const mt_card *card, const char *key, const char *wanted, GError **error)
{
    mt_card_error(error, card->source, "\"%s\": %s is wanted", key, wanted);
    return false;
}

/* Three numbers, or one in a list of one. */
static bool read_triple(const json_t *config, const char *key, mt_card *card, double values[3], GError **error)
{
    const json_t *list = json_object_get(config, key);
    size_t        n = json_array_size(list);

    if (list == NULL) {
        mt_card_error(error, card->source, "\"%s\" is missing: the model's normalisation is never guessed", key);
        return false;
    }
    if (n != 1 && n != 3)
        return wrong(card, key, "a list of 1 or 3 numbers", error);
    for (size_t i = 0; i < 3; i++) {
        const json_t *item = json_array_get(list, n == 1 ? 0 : i);
        if (!json_is_number(item))
            return wrong(card, key, "a list of 1 or 3 numbers", error);
        values[i] = json_number_value(item);
    }
    card->n_mean = MAX(card->n_mean, (int)n);
    return true;
}

static bool read_scaling(const json_t *config, const char *mean_key, const char *std_key, mt_card *card, GError **error)
{
    if (!read_triple(config, mean_key, card, card->mean, error) || !read_triple(config, std_key, card, card->std, error))
        return false;
    for (int i = 0; i < 3; i++)
        if (!(card->std[i] > 0))
            return wrong(card, std_key, "numbers above 0", error);
    return true;
}

static bool valid_edge(double edge)
{
    return edge >= MT_LIMIT_TILE_PX_MIN && edge <= MT_LIMIT_TILE_PX_MAX && edge == floor(edge);
}

static bool set_sizes(mt_card *card, int size_px, double resize_px, const char *key, GError **error)
{
    if (!valid_edge(resize_px) || resize_px < size_px)
        return wrong(card, key, "a resized tile of the model's size to 4096 pixels", error);
    card->size_px = card->crop_px = size_px;
    card->tile_px = card->resize_px = (int)resize_px;
    return true;
}

static bool read_filter(mt_card *card, const char *key, const char *word, GError **error)
{
    static const char *const words[] = {"bilinear", "bicubic", "lanczos", "nearest"};

    for (size_t i = 0; word != NULL && i < G_N_ELEMENTS(words); i++)
        if (strcmp(word, words[i]) == 0) {
            card->interpolation = (mt_filter)i;
            return true;
        }
    return wrong(card, key, "bilinear, bicubic, lanczos or nearest", error);
}

/* "input_size": [channels, height, width] */
static bool read_input_size(const json_t *config, mt_card *card, int *size_px, GError **error)
{
    const json_t *list = json_object_get(config, "input_size");
    double        edges[3];

    if (json_array_size(list) != 3)
        return wrong(card, "input_size", "[3, size, size]", error);
    for (size_t i = 0; i < 3; i++)
        edges[i] = json_number_value(json_array_get(list, i));
    if ((edges[0] != 3 && edges[0] != 1) || edges[1] != edges[2] || !valid_edge(edges[1]))
        return wrong(card, "input_size", "[3, size, size]", error);
    card->channels = edges[0] == 1 ? MT_CHANNELS_GRAY : MT_CHANNELS_RGB;
    *size_px = (int)edges[1];
    return true;
}

/* A square tile is cropped alike in timm's three crop modes. */
static bool read_timm(const json_t *config, mt_card *card, GError **error)
{
    const json_t *crop = json_object_get(config, "crop_pct"), *filter = json_object_get(config, "interpolation");
    double        crop_pct = crop == NULL || json_is_null(crop) ? 0.875 : json_number_value(crop); /* timm's DEFAULT_CROP_PCT */
    int           size_px;

    if (!read_input_size(config, card, &size_px, error) || !read_scaling(config, "mean", "std", card, error))
        return false;
    if (!(crop_pct > 0 && crop_pct <= 1))
        return wrong(card, "crop_pct", "a number above 0, at most 1", error);
    if (!read_filter(card, "interpolation", filter == NULL ? "bicubic" : json_string_value(filter), error)) /* timm's default */
        return false;
    return set_sizes(card, size_px, floor(size_px / crop_pct), "crop_pct", error);
}

/* Hugging Face writes a size as 224, {"height": 224, "width": 224} or {"shortest_edge": 224}; 0: absent or none of these. */
static double square_edge(const json_t *config, const char *key)
{
    const json_t *size = json_object_get(config, key), *edge = json_object_get(size, "shortest_edge");

    if (json_is_number(size))
        return json_number_value(size);
    if (edge != NULL)
        return json_number_value(edge);
    double height = json_number_value(json_object_get(size, "height")), width = json_number_value(json_object_get(size, "width"));
    return height == width ? height : 0;
}

static bool off(const json_t *config, const char *key)
{
    return json_is_false(json_object_get(config, key));
}

/* Pixels are scaled by 1/255 and normalised; anything else is another contract than rgb8 can say. */
static bool check_steps(const json_t *config, const mt_card *card, GError **error)
{
    const json_t *factor = json_object_get(config, "rescale_factor");

    if (off(config, "do_rescale") || off(config, "do_normalize"))
        return wrong(card, off(config, "do_rescale") ? "do_rescale" : "do_normalize", "true", error);
    if (factor != NULL && fabs(json_number_value(factor) * 255 - 1) > 1e-6)
        return wrong(card, "rescale_factor", "1/255", error);
    return true;
}

static bool read_hugging_face(const json_t *config, mt_card *card, GError **error)
{
    static const char *const pillow[] = {"nearest", "lanczos", "bilinear", "bicubic"};
    const json_t            *resample = json_object_get(config, "resample");
    double                   resize = square_edge(config, "size"), crop = square_edge(config, "crop_size");
    json_int_t               code = json_integer_value(resample);
    bool                     cropped = json_object_get(config, "crop_size") != NULL && !off(config, "do_center_crop");

    if (!read_scaling(config, "image_mean", "image_std", card, error) || !check_steps(config, card, error))
        return false;
    if (!valid_edge(resize))
        return wrong(card, "size", "one edge of a square", error);
    if (cropped && !valid_edge(crop))
        return wrong(card, "crop_size", "one edge of a square", error);
    if (!json_is_integer(resample) || code < 0 || code >= (json_int_t)G_N_ELEMENTS(pillow))
        return wrong(card, "resample", "0 nearest, 1 lanczos, 2 bilinear or 3 bicubic", error);
    return read_filter(card, "resample", pillow[code], error) && set_sizes(card, cropped ? (int)crop : (int)resize, resize, "size", error);
}

static json_t *load(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize            bytes;
    g_autoptr(GError) cause = NULL;
    json_error_t where;

    if (!g_file_get_contents(path, &text, &bytes, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "read %s: %s", path, cause->message);
        return NULL;
    }
    if (bytes > (gsize)CONFIG_BYTES) {
        g_set_error(error, MT_ERROR, MT_ERROR_LIMIT, "read %s: larger than 4 MB", path);
        return NULL;
    }
    g_autoptr(json_t) json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &where);
    if (json == NULL)
        mt_card_error(error, path, "not JSON: %s (line %d)", where.text, where.line);
    else if (!json_is_object(json))
        mt_card_error(error, path, "a JSON object is wanted");
    return json_is_object(json) ? g_steal_pointer(&json) : NULL;
}

static void set_name(mt_card *card, const json_t *root, const json_t *config)
{
    const char *architecture = json_string_value(json_object_get(root, "architecture"));
    const char *licence = json_string_value(json_object_get(config, "license"));

    card->name = g_strdup(architecture);
    card->licence = g_strdup(licence);
}

mt_card *mt_timm_config_read(const char *path, bool *understood, GError **error)
{
    g_autoptr(json_t) root = load(path, error);
    g_autoptr(mt_card) card = mt_card_new(path);
    const json_t *config = json_object_get(root, "pretrained_cfg");

    *understood = false;
    if (root == NULL)
        return NULL;
    if (!json_is_object(config))
        config = root;
    bool timm = json_object_get(config, "input_size") != NULL, hugging_face = json_object_get(config, "image_mean") != NULL;
    if (!timm && !hugging_face)
        return NULL;
    *understood = true;
    card->value = MT_VALUE_RGB8;
    set_name(card, root, config);
    if (timm ? !read_timm(config, card, error) : !read_hugging_face(config, card, error))
        return NULL;
    return g_steal_pointer(&card);
}
