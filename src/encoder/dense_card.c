#include "src/encoder/dense_card.h"

#include "src/base/key_file.h"
#include "src/base/limits.h"
#include "src/case/preparation.h"
#include "src/encoder/card.h"
#include "src/encoder/card_words.h"

#include <math.h>
#include <string.h>

#define GROUP "encoder"

static const mt_key KEYS[] = {
    {GROUP, "name"},          {GROUP, "input"},  {GROUP, "output"},     {GROUP, "size_px"},    {GROUP, "slices"},  {GROUP, "channels"},
    {GROUP, "value"},         {GROUP, "mean"},   {GROUP, "std"},        {GROUP, "spacing_mm"}, {GROUP, "crop"},    {GROUP, "orientation"},
    {GROUP, "fit"},           {GROUP, "labels"}, {GROUP, "activation"}, {GROUP, "regions"},    {GROUP, "paint"},   {GROUP, "step"},
    {GROUP, "windows"},       {GROUP, "weight"}, {GROUP, "mirror"},     {GROUP, "verified"},   {GROUP, "licence"}, {GROUP, "requires"},
    {GROUP, "demonstration"}, {NULL, NULL},
};

static const char *const ACTIVATIONS[] = {[MT_DENSE_SOFTMAX] = "softmax", [MT_DENSE_SIGMOID] = "sigmoid", [MT_DENSE_NONE] = "none", NULL};
static const char *const WINDOWS[] = {"nnunet", "monai", NULL}, *const WEIGHTS[] = {"gaussian", "constant", NULL},
                         *const CROPS[] = {"none", "nonzero", NULL}, *const ORDERS[] = {"ras", "stored", NULL},
                         *const FITS[] = {"tiles", "stretch", NULL};

/* What must be said, since no file says it by itself. */
static const char *const NEEDED[][2] = {{"size_px", "the patch, WxH or WxHxD"},
                                        {"channels", "rgb, gray, or the names of the sequences"},
                                        {"value", "what the pixels mean, one word or one a channel"},
                                        {"activation", "softmax, sigmoid or none"},
                                        {"labels", "a name for each channel of the output"}};

static bool wrong(const mt_dense_card *card, const char *key, const char *value, const char *wanted, GError **error)
{
    mt_card_error(error, card->source, "[" GROUP "] %s=%s: %s is wanted", key, value, wanted);
    return false;
}

mt_dense_card *mt_dense_card_new(const char *source)
{
    mt_dense_card *card = g_new0(mt_dense_card, 1);

    card->source = g_strdup(source);
    card->slices = 1;
    card->order = MT_VOLUME_STORED;
    card->step = 0.5;
    card->image_order = 3;
    card->logits_order = 1;
    card->apart = -1;
    for (int a = 0; a < 3; a++)
        card->axes[a] = a;
    for (int c = 0; c < MT_DENSE_MAX_CHANNELS; c++)
        card->std[c] = 1;
    return card;
}

void mt_dense_card_free(mt_dense_card *card)
{
    if (card == NULL)
        return;
    g_free(card->name);
    g_free(card->input);
    g_free(card->output);
    g_free(card->source);
    g_free(card->requires);
    g_free(card->licence);
    g_strfreev(card->channels);
    g_strfreev(card->labels);
    g_free(card->values);
    g_free(card->members);
    g_strfreev(card->verified);
    g_free(card);
}

void mt_dense_card_set_labels(mt_dense_card *card, char **names)
{
    card->labels = names;
    card->n_labels = (int)g_strv_length(names);
    card->values = g_new0(uint8_t, card->n_labels + 1);
    card->members = g_malloc0(sizeof *card->members * (size_t)(card->n_labels + 1));
    for (int i = 0; i < card->n_labels; i++) {
        card->values[i] = (uint8_t)i;
        mt_dense_card_add_member(card, i, (uint8_t)i);
    }
}

bool mt_dense_card_is_member(const mt_dense_card *card, int label, uint8_t value)
{
    return (card->members[label][value / 8] >> (value % 8)) & 1;
}

void mt_dense_card_add_member(mt_dense_card *card, int label, uint8_t value)
{
    card->members[label][value / 8] |= (uint8_t)(1 << (value % 8));
}

static bool read_text(GKeyFile *file, const mt_dense_card *card, const char *key, char **value, GError **error)
{
    return mt_key_file_string(file, card->source, GROUP, key, value, error);
}

static bool read_list(GKeyFile *file, const mt_dense_card *card, const char *key, char ***value, GError **error)
{
    return mt_key_file_list(file, card->source, GROUP, key, value, error);
}

static bool read_choice(GKeyFile *file, const mt_dense_card *card, const char *key, const char *const *words, int *value, GError **error)
{
    g_autofree char *word = NULL, *all = g_strjoinv(", ", (char **)words), *wanted = g_strdup_printf("one of %s", all);

    if (!read_text(file, card, key, &word, error))
        return false;
    if (word == NULL)
        return true;
    *value = mt_card_find_word(words, word);
    return *value >= 0 || wrong(card, key, word, wanted, error);
}

/* WxH, WxHxD; one number is a square. */
static bool read_patch(GKeyFile *file, mt_dense_card *card, GError **error)
{
    g_autofree char *text = NULL;
    bool             ok = true;

    if (!read_text(file, card, "size_px", &text, error))
        return false;
    g_auto(GStrv) edges = g_strsplit(text, "x", -1);
    int n = (int)g_strv_length(edges);
    for (int a = 0; a < MIN(n, 3); a++) {
        char *end;

        card->patch[a] = g_ascii_strtoll(edges[a], &end, 10);
        ok = ok && g_ascii_isdigit(edges[a][0]) && *end == '\0' && card->patch[a] >= 1 && card->patch[a] <= MT_LIMIT_TILE_PX_MAX;
    }
    if (!ok || n < 1 || n > 3)
        return wrong(card, "size_px", text, "WxH or WxHxD with edges of 1 to 4096", error);
    if (n == 1)
        card->patch[1] = card->patch[0];
    if (n < 3)
        card->patch[2] = 1;
    if (!mt_key_file_int(file, card->source, GROUP, "slices", 1, 15, &card->slices, error))
        return false;
    if (card->slices % 2 == 1 && (card->slices == 1 || card->patch[2] == 1))
        return true;
    mt_card_error(error, card->source, "[" GROUP "] slices=%d: an odd number is wanted, and 1 for a patch of several slices", card->slices);
    return false;
}

static bool read_channels(GKeyFile *file, mt_dense_card *card, GError **error)
{
    if (!read_list(file, card, "channels", &card->channels, error))
        return false;
    if (card->channels[0] != NULL && card->channels[1] == NULL && strcmp(card->channels[0], "rgb") == 0) {
        g_strfreev(card->channels);
        card->channels = g_strsplit("red;green;blue", ";", -1);
    }
    card->n_channels = (int)g_strv_length(card->channels);
    if (card->n_channels >= 1 && card->n_channels * card->slices <= MT_DENSE_MAX_CHANNELS)
        return true;
    mt_card_error(error, card->source, "[" GROUP "] channels: %d names of %d slices: 1 to %d inputs are possible", card->n_channels,
                  card->slices, MT_DENSE_MAX_CHANNELS);
    return false;
}

static bool read_values(GKeyFile *file, mt_dense_card *card, GError **error)
{
    g_auto(GStrv) words = NULL;

    if (!read_list(file, card, "value", &words, error))
        return false;
    int n = (int)g_strv_length(words);
    if (n != 1 && n != card->n_channels) {
        mt_card_error(error, card->source, "[" GROUP "] value has %d words for %d channels: 1 or %d are wanted", n, card->n_channels,
                      card->n_channels);
        return false;
    }
    for (int c = 0; c < card->n_channels; c++) {
        const char *word = words[n == 1 ? 0 : c];
        /* the encoder cards' word for 8-bit pixels */
        if (!mt_intensity_scheme_parse(strcmp(word, "rgb8") == 0 ? "rgb01" : word, &card->scheme[c], error)) {
            g_prefix_error(error, "read %s: [" GROUP "] ", card->source);
            return false;
        }
    }
    return true;
}

/* One number or one a channel; 0 when the key is absent. */
static bool read_numbers(GKeyFile *file, const mt_dense_card *card, const char *key, double *values, int *n, GError **error)
{
    *n = 0;
    if (!mt_key_file_doubles(file, card->source, GROUP, key, MT_DENSE_MAX_CHANNELS, values, n, error))
        return false;
    if (*n > 1 && *n != card->n_channels) {
        mt_card_error(error, card->source, "[" GROUP "] %s has %d numbers for %d channels: 1 or %d are wanted", key, *n, card->n_channels,
                      card->n_channels);
        return false;
    }
    for (int c = 1; *n == 1 && c < card->n_channels; c++)
        values[c] = values[0];
    return true;
}

static bool read_scaling(GKeyFile *file, mt_dense_card *card, GError **error)
{
    int n_mean, n_std;

    if (!read_values(file, card, error) || !read_numbers(file, card, "mean", card->mean, &n_mean, error) ||
        !read_numbers(file, card, "std", card->std, &n_std, error))
        return false;
    for (int c = 0; c < card->n_channels; c++) {
        mt_scheme_kind kind = card->scheme[c].kind;

        if ((kind == MT_SCHEME_RGB01 || kind == MT_SCHEME_HU) && (n_mean == 0 || n_std == 0)) {
            mt_card_error(error, card->source, "[" GROUP "] %s is missing: write the model's own (mean=0 and std=1 are never assumed)",
                          n_mean == 0 ? "mean" : "std");
            return false;
        }
        if (!(card->std[c] > 0)) {
            mt_card_error(error, card->source, "[" GROUP "] std: %g is not above 0", card->std[c]);
            return false;
        }
    }
    return true;
}

/* X;Y;Z, or X;Y for a network of two dimensions: its slices stay as they are. */
static bool read_spacing(GKeyFile *file, mt_dense_card *card, GError **error)
{
    int n = 0;

    if (!mt_key_file_doubles(file, card->source, GROUP, "spacing_mm", 3, card->spacing_mm, &n, error))
        return false;
    bool ok = n == 0 || n == 3 || (n == 2 && card->patch[2] == 1);
    for (int a = 0; a < n; a++)
        ok = ok && card->spacing_mm[a] >= 0 && card->spacing_mm[a] <= 1000;
    if (!ok)
        mt_card_error(error, card->source, "[" GROUP "] spacing_mm: X;Y;Z in mm are wanted (0: as the case has it)");
    return ok;
}

static bool read_pixel_side(GKeyFile *file, mt_dense_card *card, GError **error)
{
    int crop = 0, order = 1, fit = 0;

    if (!read_patch(file, card, error) || !read_channels(file, card, error) || !read_scaling(file, card, error) ||
        !read_spacing(file, card, error) || !read_choice(file, card, "crop", CROPS, &crop, error) ||
        !read_choice(file, card, "orientation", ORDERS, &order, error) || !read_choice(file, card, "fit", FITS, &fit, error))
        return false;
    card->order = order == 0 ? MT_VOLUME_RAS : MT_VOLUME_STORED;
    card->crop_nonzero = crop == 1;
    card->stretch = fit == 1;
    if (card->stretch && (card->patch[2] != 1 || card->spacing_mm[0] > 0))
        return wrong(card, "fit", "stretch", "tiles, for a patch of several slices or with spacing_mm,", error);
    return true;
}

/* "1,2,3": the values of the label map that make a region. */
static bool parse_members(mt_dense_card *card, int label, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    memset(card->members[label], 0, sizeof card->members[label]);
    for (char **word = words; *word != NULL; word++) {
        char  *end;
        gint64 value = g_ascii_strtoll(*word, &end, 10);

        if (end == *word || *end != '\0' || value < 1 || value > 255)
            return false;
        if (word == words)
            card->values[label] = (uint8_t)value;
        mt_dense_card_add_member(card, label, (uint8_t)value);
    }
    return words[0] != NULL;
}

static bool read_regions(GKeyFile *file, mt_dense_card *card, GError **error)
{
    g_auto(GStrv) regions = NULL;
    double paint[MT_DENSE_MAX_LABELS];
    int    n = 0;

    if (!read_list(file, card, "regions", &regions, error) ||
        !mt_key_file_doubles(file, card->source, GROUP, "paint", MT_DENSE_MAX_LABELS, paint, &n, error))
        return false;
    if (regions == NULL && n == 0)
        return true;
    if (regions == NULL || (int)g_strv_length(regions) != card->n_labels || (n != 0 && n != card->n_labels)) {
        mt_card_error(error, card->source,
                      "[" GROUP "] regions and paint: each of the %d labels has one entry in regions, and one in paint where that is given",
                      card->n_labels);
        return false;
    }
    for (int i = 0; i < card->n_labels; i++) {
        if (!parse_members(card, i, regions[i]))
            return wrong(card, "regions", regions[i], "1 to 255, several with commas between", error);
        if (n != 0 && !(paint[i] >= 1 && paint[i] <= 255 && paint[i] == floor(paint[i]))) {
            mt_card_error(error, card->source, "[" GROUP "] paint: %g is no value of a label map, 1 to 255", paint[i]);
            return false;
        }
        if (n != 0)
            card->values[i] = (uint8_t)paint[i];
    }
    card->regions = true;
    return true;
}

static bool read_label_side(GKeyFile *file, mt_dense_card *card, GError **error)
{
    int    activation = MT_DENSE_SOFTMAX;
    char **names = NULL;

    if (!read_choice(file, card, "activation", ACTIVATIONS, &activation, error) || !read_list(file, card, "labels", &names, error))
        return false;
    card->activation = (mt_dense_activation)activation;
    mt_dense_card_set_labels(card, names);
    if (card->n_labels < 1 || card->n_labels > MT_DENSE_MAX_LABELS) {
        mt_card_error(error, card->source, "[" GROUP "] labels: %d names: 1 to %d are possible", card->n_labels, MT_DENSE_MAX_LABELS);
        return false;
    }
    if (!read_regions(file, card, error))
        return false;
    if (card->activation == MT_DENSE_SOFTMAX && (card->regions || card->n_labels == 1)) {
        mt_card_error(error, card->source, "[" GROUP "] activation=softmax: %s",
                      card->regions ? "regions overlap: sigmoid is wanted" : "one label alone is always 1: sigmoid is wanted");
        return false;
    }
    return true;
}

/* Outputs that stand each by itself, without a word about regions: each paints a value of its own, 1 and up. */
static void regions_by_themselves(mt_dense_card *card)
{
    if (card->regions || (card->n_labels > 1 && card->activation != MT_DENSE_SIGMOID))
        return;
    card->regions = true;
    for (int i = 0; i < card->n_labels; i++) {
        card->values[i] = (uint8_t)MIN(i + 1, 255);
        memset(card->members[i], 0, sizeof card->members[i]);
        mt_dense_card_add_member(card, i, card->values[i]);
    }
}

/* "none", or letters of x, y and z */
static bool read_mirror(GKeyFile *file, mt_dense_card *card, GError **error)
{
    g_autofree char *text = NULL;

    if (!read_text(file, card, "mirror", &text, error))
        return false;
    if (text == NULL || strcmp(text, "none") == 0)
        return true;
    if (*text == '\0' || strspn(text, "xyz") != strlen(text))
        return wrong(card, "mirror", text, "none, or letters of x, y and z", error);
    for (int a = 0; a < 3; a++)
        card->mirror[a] = strchr(text, "xyz"[a]) != NULL;
    if (card->mirror[2] && card->patch[2] == 1)
        return wrong(card, "mirror", text, "x and y alone, for a patch of one slice,", error);
    return true;
}

static bool read_window_side(GKeyFile *file, mt_dense_card *card, GError **error)
{
    int windows = 0, weight = 0;

    if (!read_choice(file, card, "windows", WINDOWS, &windows, error))
        return false;
    card->monai = windows == 1;
    card->step = card->monai ? 0.75 : 0.5;
    weight = card->monai ? 1 : 0;
    if (!mt_key_file_double(file, card->source, GROUP, "step", 0.05, 1, &card->step, error) ||
        !read_choice(file, card, "weight", WEIGHTS, &weight, error) || !read_mirror(file, card, error))
        return false;
    card->constant = weight == 1;
    return true;
}

static bool read_verified(GKeyFile *file, mt_dense_card *card, GError **error)
{
    if (!read_list(file, card, "verified", &card->verified, error))
        return false;
    for (char **word = card->verified; word != NULL && *word != NULL; word++)
        if (mt_card_find_word(mt_card_precisions, *word) < 0)
            return wrong(card, "verified", *word, "a list of fp32, bf16, int8", error);
    return true;
}

static mt_dense_card *from_key_file(GKeyFile *file, const char *source, GError **error)
{
    g_autoptr(mt_dense_card) card = mt_dense_card_new(source);

    for (size_t i = 0; i < G_N_ELEMENTS(NEEDED); i++)
        if (!g_key_file_has_key(file, GROUP, NEEDED[i][0], NULL)) {
            mt_card_error(error, source, "[" GROUP "] %s is missing: write %s", NEEDED[i][0], NEEDED[i][1]);
            return NULL;
        }
    if (!read_text(file, card, "name", &card->name, error) || !read_text(file, card, "input", &card->input, error) ||
        !read_text(file, card, "output", &card->output, error) || !read_text(file, card, "licence", &card->licence, error) ||
        !read_text(file, card, "requires", &card->requires, error) ||
        !mt_preparation_check(card->requires, card->requires, card->source, error) ||
        !mt_key_file_bool(file, source, GROUP, "demonstration", &card->demonstration, error) || !read_pixel_side(file, card, error) ||
        !read_label_side(file, card, error) || !read_window_side(file, card, error) || !read_verified(file, card, error))
        return NULL;
    regions_by_themselves(card);
    return g_steal_pointer(&card);
}

mt_dense_card *mt_dense_card_read(const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(GKeyFile) file = mt_key_file_load(path, KEYS, &cause);

    if (g_error_matches(cause, MT_ERROR, MT_ERROR_MISSING)) {
        mt_card_error(error, path,
                      "no such file: patch, channels, values and labels of a dense network are not guessed: write them there, in a group "
                      "[" GROUP "]");
        return NULL;
    }
    if (file == NULL)
        g_propagate_error(error, g_steal_pointer(&cause));
    return file == NULL ? NULL : from_key_file(file, path, error);
}

mt_dense_card *mt_dense_card_read_text(const char *text, size_t bytes, const char *source, GError **error)
{
    g_autoptr(GKeyFile) file = mt_key_file_load_data(text, bytes, source, KEYS, error);

    return file == NULL ? NULL : from_key_file(file, source, error);
}
