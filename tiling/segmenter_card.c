#include "tiling/segmenter_card.h"

#include "src/base/key_file.h"
#include "src/encoder/card.h"
#include "src/encoder/card_text.h"
#include "src/encoder/card_words.h"

#include <math.h>
#include <string.h>

#define GROUP "segmenter"

static const mt_key KEYS[] = {
    {GROUP, "name"},    {GROUP, "input"},         {GROUP, "output"},     {GROUP, "size_px"},   {GROUP, "mpp"},     {GROUP, "channels"},
    {GROUP, "mean"},    {GROUP, "std"},           {GROUP, "activation"}, {GROUP, "threshold"}, {GROUP, "classes"}, {GROUP, "foreground"},
    {GROUP, "overlap"}, {GROUP, "interpolation"}, {GROUP, "licence"},    {NULL, NULL},
};

static const char *const ACTIVATIONS[] = {
    [MT_SEGMENTER_SOFTMAX] = "softmax", [MT_SEGMENTER_SIGMOID] = "sigmoid", [MT_SEGMENTER_NONE] = "none", NULL};

/* What must be said, since no file says it by itself. */
static const char *const NEEDED[][2] = {{"size_px", "the edge of the model's input"},
                                        {"mpp", "the µm per pixel it was trained at"},
                                        {"mean", "what is subtracted from RGB in 0..1, one number or three"},
                                        {"std", "what RGB is divided by then, one number or three"},
                                        {"activation", "softmax, sigmoid or none"}};

static bool check_needed(GKeyFile *file, const char *path, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(NEEDED); i++)
        if (!g_key_file_has_key(file, GROUP, NEEDED[i][0], NULL)) {
            mt_card_error(error, path, "[" GROUP "] %s is missing: write %s", NEEDED[i][0], NEEDED[i][1]);
            return false;
        }
    return true;
}

static bool read_word(GKeyFile *file, const char *path, const char *key, const char *const *words, int *value, GError **error)
{
    g_autofree char *word = NULL;

    if (!mt_key_file_string(file, path, GROUP, key, &word, error))
        return false;
    if (word == NULL)
        return true;
    int found = mt_card_find_word(words, word);
    if (found < 0) {
        g_autofree char *all = g_strjoinv(", ", (char **)words);
        mt_card_error(error, path, "[" GROUP "] %s=%s: one of %s is wanted", key, word, all);
        return false;
    }
    *value = found;
    return true;
}

/* One number stands for all channels. */
static bool read_numbers(GKeyFile *file, mt_card *card, const char *key, double values[3], GError **error)
{
    int n = 0;

    if (!mt_key_file_doubles(file, card->source, GROUP, key, 3, values, &n, error))
        return false;
    if (n != 1 && (n != 3 || card->channels == MT_CHANNELS_GRAY)) {
        mt_card_error(error, card->source, "[" GROUP "] %s has %d numbers: 1%s", key, n,
                      card->channels == MT_CHANNELS_GRAY ? " is wanted for gray" : " or 3 are wanted");
        return false;
    }
    for (int i = n; i < 3; i++)
        values[i] = values[0];
    return true;
}

static bool read_scaling(GKeyFile *file, mt_card *card, GError **error)
{
    if (!read_numbers(file, card, "mean", card->mean, error) || !read_numbers(file, card, "std", card->std, error))
        return false;
    card->n_mean = card->channels == MT_CHANNELS_GRAY ? 1 : 3;
    for (int i = 0; i < card->n_mean; i++)
        if (!(card->std[i] > 0)) {
            mt_card_error(error, card->source, "[" GROUP "] std=%g: more than 0 is wanted", card->std[i]);
            return false;
        }
    return true;
}

static bool read_pixels(GKeyFile *file, mt_card *card, GError **error)
{
    int         channels = MT_CHANNELS_RGB, filter = MT_FILTER_BILINEAR;
    const char *path = card->source;

    if (!mt_key_file_string(file, path, GROUP, "name", &card->name, error) ||
        !mt_key_file_string(file, path, GROUP, "input", &card->input, error) ||
        !mt_key_file_string(file, path, GROUP, "output", &card->output, error) ||
        !mt_key_file_string(file, path, GROUP, "licence", &card->licence, error) ||
        !mt_key_file_int(file, path, GROUP, "size_px", 16, 4096, &card->size_px, error) ||
        !mt_key_file_double(file, path, GROUP, "mpp", 0.01, 1000, &card->mpp, error) ||
        !read_word(file, path, "channels", mt_card_channels, &channels, error) ||
        !read_word(file, path, "interpolation", mt_card_filters, &filter, error))
        return false;
    card->channels = (mt_channels)channels;
    card->interpolation = (mt_filter)filter;
    card->tile_px = card->resize_px = card->crop_px = card->size_px;
    card->fit = MT_FIT_TILES;
    card->value = MT_VALUE_RGB8;
    return read_scaling(file, card, error);
}

static bool read_meaning(GKeyFile *file, mt_segmenter_card *card, GError **error)
{
    const char *path = card->pixels->source;
    int         activation = MT_SEGMENTER_SOFTMAX;

    if (!read_word(file, path, "activation", ACTIVATIONS, &activation, error) ||
        !mt_key_file_double(file, path, GROUP, "threshold", -1e30, 1e30, &card->threshold, error) ||
        !mt_key_file_double(file, path, GROUP, "overlap", 0, 0.9, &card->overlap, error) ||
        !mt_key_file_list(file, path, GROUP, "classes", &card->classes, error) ||
        !mt_key_file_list(file, path, GROUP, "foreground", &card->wanted, error))
        return false;
    card->activation = (mt_segmenter_activation)activation;
    if (card->activation != MT_SEGMENTER_NONE && !isnan(card->threshold) && !(card->threshold >= 0 && card->threshold <= 1)) {
        mt_card_error(error, path, "[" GROUP "] threshold=%g: 0 to 1 is wanted after %s", card->threshold, ACTIVATIONS[activation]);
        return false;
    }
    return true;
}

mt_segmenter_card *mt_segmenter_card_read(const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GKeyFile) file = mt_key_file_load(path, KEYS, &cause);
    g_autoptr(mt_segmenter_card) card = g_new0(mt_segmenter_card, 1);

    if (g_error_matches(cause, MT_ERROR, MT_ERROR_MISSING)) {
        mt_card_error(error, path,
                      "no such file: µm/px, normalisation and classes of a segmentation network are not guessed: write them "
                      "there, in a group [" GROUP "]");
        return NULL;
    }
    if (file == NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    card->pixels = mt_card_new(path);
    card->threshold = NAN;
    if (!check_needed(file, path, error) || !read_pixels(file, card->pixels, error) || !read_meaning(file, card, error))
        return NULL;
    return g_steal_pointer(&card);
}

void mt_segmenter_card_free(mt_segmenter_card *card)
{
    if (card == NULL)
        return;
    mt_card_free(card->pixels);
    g_strfreev(card->classes);
    g_strfreev(card->wanted);
    g_free(card);
}

/* A class by its name or its number from 0; -1: neither. */
static int find_class(const mt_segmenter_card *card, const char *word)
{
    char   *end;
    guint64 number = g_ascii_strtoull(word, &end, 10);

    for (int i = 0; card->classes != NULL && i < card->n_classes; i++)
        if (strcmp(card->classes[i], word) == 0)
            return i;
    return g_ascii_isdigit(*word) && *end == '\0' && number < (guint64)card->n_classes ? (int)number : -1;
}

static bool fit_one_channel(mt_segmenter_card *card, GError **error)
{
    const char *path = card->pixels->source;

    card->foreground[0] = true;
    if (card->activation == MT_SEGMENTER_SOFTMAX)
        mt_card_error(error, path, "[" GROUP "] activation=softmax, but the output has one channel: sigmoid or none is wanted");
    else if (isnan(card->threshold) && card->activation == MT_SEGMENTER_NONE)
        mt_card_error(error, path, "[" GROUP "] threshold is missing: the output has one channel, write above what it is foreground");
    else
        return true;
    return false;
}

static bool fit_foreground(mt_segmenter_card *card, GError **error)
{
    const char *path = card->pixels->source;

    if (card->wanted == NULL || card->wanted[0] == NULL) {
        mt_card_error(error, path, "[" GROUP "] foreground is missing: the output has %d classes, write which of them are foreground",
                      card->n_classes);
        return false;
    }
    for (char **word = card->wanted; *word != NULL; word++) {
        int i = find_class(card, *word);
        if (i < 0) {
            mt_card_error(error, path, "[" GROUP "] foreground=%s: none of the output's %d classes", *word, card->n_classes);
            return false;
        }
        card->foreground[i] = true;
    }
    return true;
}

bool mt_segmenter_card_fit(mt_segmenter_card *card, int64_t n_classes, GError **error)
{
    const char *path = card->pixels->source;
    guint       named = card->classes != NULL ? g_strv_length(card->classes) : 0;

    if (n_classes < 1 || n_classes > MT_SEGMENTER_MAX_CLASSES) {
        mt_card_error(error, path, "the output has %" G_GINT64_FORMAT " channels: 1 to %d are possible", n_classes,
                      MT_SEGMENTER_MAX_CLASSES);
        return false;
    }
    if (named > 0 && named != (guint)n_classes) {
        mt_card_error(error, path, "[" GROUP "] classes names %u, but the output has %" G_GINT64_FORMAT " channels", named, n_classes);
        return false;
    }
    card->n_classes = (int)n_classes;
    if (card->activation == MT_SEGMENTER_SIGMOID && isnan(card->threshold))
        card->threshold = 0.5;
    return n_classes == 1 ? fit_one_channel(card, error) : fit_foreground(card, error);
}

static void put_list(GString *text, const char *key, char **list)
{
    g_autofree char *joined = list != NULL ? g_strjoinv(";", list) : NULL;

    mt_card_text_put(text, key, joined);
}

void mt_segmenter_card_put(GString *text, const mt_segmenter_card *card)
{
    const mt_card *p = card->pixels;

    mt_card_text_put(text, "name", p->name);
    mt_card_text_put(text, "input", p->input);
    mt_card_text_put(text, "output", p->output);
    g_string_append_printf(text, "size_px=%d\n", p->size_px);
    mt_card_text_put_numbers(text, "mpp", &p->mpp, 1);
    mt_card_text_put(text, "channels", mt_card_channels[p->channels]);
    mt_card_text_put_numbers(text, "mean", p->mean, p->n_mean);
    mt_card_text_put_numbers(text, "std", p->std, p->n_mean);
    mt_card_text_put(text, "interpolation", mt_card_filters[p->interpolation]);
    mt_card_text_put(text, "activation", ACTIVATIONS[card->activation]);
    if (!isnan(card->threshold))
        mt_card_text_put_numbers(text, "threshold", &card->threshold, 1);
    put_list(text, "classes", card->classes);
    put_list(text, "foreground", card->wanted);
    mt_card_text_put_numbers(text, "overlap", &card->overlap, 1);
}
