#include "src/encoder/card.h"

#include "src/base/key_file.h"
#include "src/base/limits.h"
#include "src/case/preparation.h"
#include "src/encoder/card_words.h"

#include <math.h>
#include <string.h>

#define GROUP "encoder"

const char *const mt_card_keys[] = {"name",
                                    "input",
                                    "output",
                                    "pool",
                                    "prefix_tokens",
                                    "size_px",
                                    "tile_px",
                                    "resize_px",
                                    "crop_px",
                                    "mpp",
                                    "fit",
                                    "channels",
                                    "value",
                                    "mean",
                                    "std",
                                    "batch",
                                    "interpolation",
                                    "verified",
                                    "verified_sha256",
                                    "verified_cosine_bf16",
                                    "verified_cosine_int8",
                                    "requires",
                                    "licence",
                                    "demonstration",
                                    NULL};

void mt_card_error(GError **error, const char *source, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: %s", source, text);
}

static bool wrong_value(const mt_card *card, const char *key, const char *value, const char *wanted, GError **error)
{
    mt_card_error(error, card->source, "[" GROUP "] %s=%s: %s is wanted", key, value, wanted);
    return false;
}

mt_card *mt_card_new(const char *source)
{
    mt_card *card = g_new0(mt_card, 1);

    card->source = g_strdup(source);
    card->prefix_tokens = -1;
    card->batch = 16;
    for (int i = 0; i < 3; i++) {
        card->std[i] = 1;
        card->verified_cosine[i] = NAN;
    }
    return card;
}

void mt_card_free(mt_card *card)
{
    if (card == NULL)
        return;
    g_free(card->name);
    g_free(card->input);
    g_free(card->output);
    g_strfreev(card->verified);
    g_free(card->verified_sha256);
    g_free(card->requires);
    g_free(card->licence);
    g_free(card->source);
    g_free(card);
}

static bool read_text(GKeyFile *file, const mt_card *card, const char *key, char **value, GError **error)
{
    return mt_key_file_string(file, card->source, GROUP, key, value, error);
}

/* One of a few words; an absent key leaves *value. */
static bool read_choice(GKeyFile *file, const mt_card *card, const char *key, const char *const *words, int *value, GError **error)
{
    g_autofree char *word = NULL, *wanted = g_strjoinv(", ", (char **)words);

    if (!read_text(file, card, key, &word, error) || word == NULL)
        return word == NULL && g_key_file_has_key(file, GROUP, key, NULL) ? false : true;
    int              found = mt_card_find_word(words, word);
    g_autofree char *one_of = g_strdup_printf("one of %s", wanted);
    if (found < 0)
        return wrong_value(card, key, word, one_of, error);
    *value = found;
    return true;
}

static bool read_channels(GKeyFile *file, mt_card *card, GError **error)
{
    g_autofree char *word = NULL;
    int              order = MT_CHANNELS_RGB;

    if (!read_text(file, card, "channels", &word, error))
        return false;
    if (word != NULL && strchr(word, ';') != NULL)
        return wrong_value(card, "channels", word, "rgb, bgr or gray (lists of sequences are not read yet)", error);
    if (!read_choice(file, card, "channels", mt_card_channels, &order, error))
        return false;
    card->channels = (mt_channels)order;
    return true;
}

static bool parse_range(const char *text, double range[2])
{
    char *end;

    range[0] = g_ascii_strtod(text, &end);
    if (end == text || *end != ',')
        return false;
    text = end + 1;
    range[1] = g_ascii_strtod(text, &end);
    return end != text && *end == '\0' && isfinite(range[0]) && isfinite(range[1]) && range[0] < range[1];
}

static bool read_value(GKeyFile *file, mt_card *card, GError **error)
{
    const char      *wanted = "rgb8, hu, percentile, zscore or range:LO,HI";
    g_autofree char *word = NULL;

    if (!read_text(file, card, "value", &word, error))
        return false;
    if (word == NULL) {
        mt_card_error(error, card->source, "[" GROUP "] value is missing: write what the pixels mean, %s", wanted);
        return false;
    }
    int rule = mt_card_find_word(mt_card_value_rules, word);
    if (rule < 0 && (!g_str_has_prefix(word, "range:") || !parse_range(word + strlen("range:"), card->range)))
        return wrong_value(card, "value", word, wanted, error);
    card->value = rule < 0 ? MT_VALUE_RANGE : (mt_value_rule)rule;
    return true;
}

/* One or three numbers; one stands for all channels. */
static bool read_per_channel(GKeyFile *file, mt_card *card, const char *key, double values[3], int *n, GError **error)
{
    *n = 0;
    if (!mt_key_file_doubles(file, card->source, GROUP, key, 3, values, n, error))
        return false;
    if (*n == 0 && card->value == MT_VALUE_RGB8) {
        mt_card_error(error, card->source,
                      "[" GROUP "] %s is missing: write the model's own, one number or three (%s=0 or 1 is never assumed)", key, key);
        return false;
    }
    if (*n == 2) {
        mt_card_error(error, card->source, "[" GROUP "] %s has 2 numbers: 1 or 3 are wanted", key);
        return false;
    }
    if (*n == 1)
        values[1] = values[2] = values[0];
    return true;
}

static bool read_scaling(GKeyFile *file, mt_card *card, GError **error)
{
    int n_std;

    if (!read_per_channel(file, card, "mean", card->mean, &card->n_mean, error) ||
        !read_per_channel(file, card, "std", card->std, &n_std, error))
        return false;
    for (int i = 0; i < 3; i++)
        if (!(card->std[i] > 0)) {
            mt_card_error(error, card->source, "[" GROUP "] std: %g is not above 0", card->std[i]);
            return false;
        }
    card->n_mean = MAX(1, MAX(card->n_mean, n_std));
    return true;
}

/* N or NxN. */
static bool read_size(GKeyFile *file, mt_card *card, GError **error)
{
    g_autofree char *text = NULL;

    if (!read_text(file, card, "size_px", &text, error))
        return false;
    if (text == NULL)
        return true;
    g_auto(GStrv) edges = g_strsplit(text, "x", -1);
    char  *end;
    gint64 size = g_ascii_strtoll(edges[0] == NULL ? "" : edges[0], &end, 10);
    bool   whole = edges[0] != NULL && end != edges[0] && *end == '\0' && size >= MT_LIMIT_TILE_PX_MIN && size <= MT_LIMIT_TILE_PX_MAX;
    bool   square = whole && (edges[1] == NULL || (edges[2] == NULL && strcmp(edges[0], edges[1]) == 0));
    if (!square)
        return wrong_value(card, "size_px", text, "an edge of 16 to 4096, or NxN (only squares are read)", error);
    card->size_px = (int)size;
    return true;
}

static bool read_edge(GKeyFile *file, const mt_card *card, const char *key, int *value, GError **error)
{
    return mt_key_file_int(file, card->source, GROUP, key, MT_LIMIT_TILE_PX_MIN, MT_LIMIT_TILE_PX_MAX, value, error);
}

static bool read_sizes(GKeyFile *file, mt_card *card, GError **error)
{
    return read_size(file, card, error) && read_edge(file, card, "tile_px", &card->tile_px, error) &&
           read_edge(file, card, "resize_px", &card->resize_px, error) && read_edge(file, card, "crop_px", &card->crop_px, error) &&
           mt_key_file_double(file, card->source, GROUP, "mpp", 0, 1e6, &card->mpp, error);
}

/* What was verified of which model file, and the smallest cosine that was seen. */
static bool read_verified(GKeyFile *file, mt_card *card, GError **error)
{
    double *cosine = card->verified_cosine;

    if (!mt_key_file_list(file, card->source, GROUP, "verified", &card->verified, error) ||
        !read_text(file, card, "verified_sha256", &card->verified_sha256, error) ||
        !mt_key_file_double(file, card->source, GROUP, "verified_cosine_bf16", -1, 1, &cosine[MT_PRECISION_BF16], error) ||
        !mt_key_file_double(file, card->source, GROUP, "verified_cosine_int8", -1, 1, &cosine[MT_PRECISION_INT8], error))
        return false;
    for (char **word = card->verified; word != NULL && *word != NULL; word++)
        if (mt_card_find_word(mt_card_precisions, *word) < 0)
            return wrong_value(card, "verified", *word, "a list of fp32, bf16, int8", error);
    const char *hash = card->verified_sha256;
    if (hash != NULL && (strlen(hash) != 64 || strspn(hash, "0123456789abcdefABCDEF") != 64))
        return wrong_value(card, "verified_sha256", hash, "64 hexadecimal digits", error);
    return true;
}

/* Words that are known. */
static bool read_requires(GKeyFile *file, mt_card *card, GError **error)
{
    return read_text(file, card, "requires", &card->requires, error) &&
           mt_preparation_check(card->requires, card->requires, card->source, error);
}

static bool read_graph_side(GKeyFile *file, mt_card *card, GError **error)
{
    int pool = MT_POOL_NONE;

    if (!read_text(file, card, "name", &card->name, error) || !read_text(file, card, "input", &card->input, error) ||
        !read_text(file, card, "output", &card->output, error) || !read_text(file, card, "licence", &card->licence, error) ||
        !read_requires(file, card, error) || !read_choice(file, card, "pool", mt_card_pools, &pool, error) ||
        !mt_key_file_int(file, card->source, GROUP, "prefix_tokens", 0, 4096, &card->prefix_tokens, error) ||
        !mt_key_file_int(file, card->source, GROUP, "batch", 1, 256, &card->batch, error) ||
        !mt_key_file_bool(file, card->source, GROUP, "demonstration", &card->demonstration, error))
        return false;
    card->pool = (mt_pool)pool;
    return true;
}

static bool read_pixel_side(GKeyFile *file, mt_card *card, GError **error)
{
    int fit = MT_FIT_TILES, filter = MT_FILTER_BILINEAR;

    if (!read_sizes(file, card, error) || !read_choice(file, card, "fit", mt_card_fits, &fit, error) ||
        !read_choice(file, card, "interpolation", mt_card_filters, &filter, error) || !read_channels(file, card, error) ||
        !read_value(file, card, error) || !read_scaling(file, card, error))
        return false;
    card->fit = (mt_fit)fit;
    card->interpolation = (mt_filter)filter;
    return true;
}

static mt_card *from_key_file(GKeyFile *file, const char *source, GError **error)
{
    g_autoptr(mt_card) card = mt_card_new(source);

    if (!g_key_file_has_group(file, GROUP)) {
        mt_card_error(error, source, "no group [" GROUP "]");
        return NULL;
    }
    if (!read_graph_side(file, card, error) || !read_pixel_side(file, card, error) || !read_verified(file, card, error))
        return NULL;
    return g_steal_pointer(&card);
}

/* The table mt_key_file_load wants, made of mt_card_keys; groups [head] and [detect] are read by who makes use of them. */
static mt_key *known_keys(void)
{
    mt_key *keys = g_new0(mt_key, G_N_ELEMENTS(mt_card_keys) + 2);

    for (size_t i = 0; mt_card_keys[i] != NULL; i++)
        keys[i] = (mt_key){GROUP, mt_card_keys[i]};
    keys[G_N_ELEMENTS(mt_card_keys) - 1] = (mt_key){"head", "*"};
    keys[G_N_ELEMENTS(mt_card_keys)] = (mt_key){"detect", "*"};
    return keys;
}

mt_card *mt_card_read(const char *path, GError **error)
{
    g_autofree mt_key *keys = known_keys();
    g_autoptr(GKeyFile) file = mt_key_file_load(path, keys, error);

    return file == NULL ? NULL : from_key_file(file, path, error);
}

mt_card *mt_card_read_text(const char *text, size_t bytes, const char *source, GError **error)
{
    g_autofree mt_key *keys = known_keys();
    g_autoptr(GKeyFile) file = mt_key_file_load_data(text, bytes, source, keys, error);

    return file == NULL ? NULL : from_key_file(file, source, error);
}

static void follow_size(mt_card *card)
{
    if (card->crop_px == 0)
        card->crop_px = card->size_px;
    if (card->resize_px == 0)
        card->resize_px = card->crop_px;
    if (card->tile_px == 0)
        card->tile_px = card->size_px;
    if (card->prefix_tokens < 0)
        card->prefix_tokens = card->pool == MT_POOL_CLS || card->pool == MT_POOL_CLS_MEAN ? 1 : 0;
}

static bool check_sizes(const mt_card *card, int graph_px, GError **error)
{
    bool resized_whole = card->fit == MT_FIT_STRETCH || card->fit == MT_FIT_PAD;

    if (graph_px > 0 && card->size_px != graph_px)
        mt_card_error(error, card->source, "size_px=%d, but the graph takes %d x %d pixels", card->size_px, graph_px, graph_px);
    else if (card->crop_px != card->size_px)
        mt_card_error(error, card->source, "crop_px=%d, but the graph gets size_px=%d: they have to be equal", card->crop_px,
                      card->size_px);
    else if (card->resize_px < card->crop_px)
        mt_card_error(error, card->source, "resize_px=%d is smaller than crop_px=%d", card->resize_px, card->crop_px);
    else if (resized_whole && card->resize_px != card->size_px)
        mt_card_error(error, card->source, "fit=%s puts the whole plane into size_px=%d: resize_px=%d contradicts it",
                      mt_card_fits[card->fit], card->size_px, card->resize_px);
    else
        return true;
    return false;
}

bool mt_card_complete(mt_card *card, int graph_px, const char *name, GError **error)
{
    if (card->size_px == 0)
        card->size_px = graph_px;
    if (card->size_px == 0) {
        mt_card_error(error, card->source, "size_px is missing, and the graph takes any size: write the edge of the model's input");
        return false;
    }
    follow_size(card);
    if (card->name == NULL || *card->name == '\0') {
        g_free(card->name);
        card->name = g_strdup(name);
    }
    if (card->channels == MT_CHANNELS_GRAY && card->n_mean != 1) {
        mt_card_error(error, card->source, "channels=gray has one channel, but mean or std has 3 numbers");
        return false;
    }
    return check_sizes(card, graph_px, error);
}
