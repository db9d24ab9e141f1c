/* The keys of [head] that make a decision of a score: calibration beyond the temperature, thresholds, limits, conformal sets, reference,
 * members of an ensemble. */
#include "mil/head_card.h"
#include "src/base/key_file.h"

#include <math.h>
#include <string.h>

#define GROUP "head"
#define MAX_CORNERS 100000

static bool wrong(const char *name, const char *key, const char *text, const char *wanted, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] %s=%s: %s", name, key, text, wanted);
    return false;
}

static bool parse_number(const char *text, char stop, const char **rest, double *value)
{
    char *end;

    *value = g_ascii_strtod(text, &end);
    *rest = end + (*end != '\0');
    return end != text && *end == stop && isfinite(*value);
}

/* "x:y", both shares. */
static bool parse_corner(const char *text, mt_curve_point *corner)
{
    const char *rest;

    return parse_number(text, ':', &rest, &corner->x) && parse_number(rest, '\0', &rest, &corner->y) && corner->x >= 0 && corner->x <= 1 &&
           corner->y >= 0 && corner->y <= 1;
}

static bool read_isotonic(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    g_auto(GStrv) list = NULL;

    if (!mt_key_file_list(file, name, GROUP, "isotonic", &list, error))
        return false;
    guint n = list != NULL ? g_strv_length(list) : 0;
    if (n > MAX_CORNERS)
        return wrong(name, "isotonic", "...", "at most 100000 corners are read", error);
    card->isotonic = g_new0(mt_curve_point, n + 1);
    for (guint i = 0; i < n; i++) {
        mt_curve_point *at = &card->isotonic[i];
        if (!parse_corner(list[i], at) || (i > 0 && (at->x <= at[-1].x || at->y < at[-1].y)))
            return wrong(name, "isotonic", list[i], "corners x:y from 0:0 to 1:1 are wanted, x rising and y never falling", error);
    }
    card->n_isotonic = (int)n;
    return true;
}

static bool read_platt(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    int n = 0;

    if (!mt_key_file_doubles(file, name, GROUP, "platt", 2, card->platt, &n, error))
        return false;
    if (n == 0 || (n == 2 && card->platt[0] > 0))
        return true;
    g_autofree char *text = g_key_file_get_value(file, GROUP, "platt", NULL);
    return wrong(name, "platt", text, "A;B with A above 0 is wanted", error);
}

static bool read_calibration(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    if (!read_platt(file, name, card, error) || !read_isotonic(file, name, card, error))
        return false;
    if ((card->temperature != 1) + (card->platt[0] > 0) + (card->n_isotonic > 0) <= 1)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] temperature, platt and isotonic exclude each other", name);
    return false;
}

/* Limits on how the picture was taken; all of them are shares. */
static bool read_quality(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    const struct {
        const char *key;
        double     *value;
    } limits[] = {{"min_exposure", &card->min_exposure},
                  {"max_exposure", &card->max_exposure},
                  {"max_clipping", &card->max_clipping},
                  {"max_blur", &card->max_blur},
                  {"max_ghosting", &card->max_ghosting},
                  {"min_illumination", &card->min_illumination},
                  {"min_field_complete", &card->min_field_complete}};

    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++)
        if (!mt_key_file_double(file, name, GROUP, limits[i].key, 0, 1, limits[i].value, error))
            return false;
    return true;
}

/* threshold_low is what threshold is called where there are two. */
static bool read_thresholds(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    double low = NAN;

    if (!mt_key_file_double(file, name, GROUP, "threshold_low", 0, 1, &low, error) ||
        !mt_key_file_double(file, name, GROUP, "threshold_high", 0, 1, &card->threshold_high, error) ||
        !mt_key_file_double(file, name, GROUP, "audit_share", 0, 1, &card->audit_share, error) ||
        !mt_key_file_double(file, name, GROUP, "min_tissue_mm2", 0, 1e9, &card->min_tissue_mm2, error) ||
        !mt_key_file_double(file, name, GROUP, "min_sharpness", 0, 1e9, &card->min_sharpness, error) ||
        !mt_key_file_double(file, name, GROUP, "min_field_share", 0, 1, &card->min_field_share, error) ||
        !read_quality(file, name, card, error) || !mt_key_file_int(file, name, GROUP, "min_tiles", 0, 1000000000, &card->min_tiles, error))
        return false;
    if (!isnan(low) && !isnan(card->threshold) && low != card->threshold) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] threshold=%g and threshold_low=%g are the same thing: name one", name,
                    card->threshold, low);
        return false;
    }
    card->threshold = isnan(low) ? card->threshold : low;
    if (card->threshold_high == 0 || card->threshold_high >= card->threshold)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] threshold_high=%g needs a threshold_low that is not above it", name,
                card->threshold_high);
    return false;
}

static bool read_numbers(GKeyFile *file, const char *name, const char *key, double **values, int *n, GError **error)
{
    g_auto(GStrv) list = NULL;

    if (!mt_key_file_list(file, name, GROUP, key, &list, error))
        return false;
    int most = list != NULL ? (int)g_strv_length(list) : 0;
    *values = g_new0(double, (gsize)most + 1);
    return most == 0 || mt_key_file_doubles(file, name, GROUP, key, most, *values, n, error);
}

static bool read_conformal(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    if (!mt_key_file_double(file, name, GROUP, "conformal_alpha", 1e-6, 0.999999, &card->conformal_alpha, error) ||
        !read_numbers(file, name, "conformal", &card->conformal, &card->n_conformal, error))
        return false;
    for (int i = 0; i < card->n_conformal; i++)
        if (card->conformal[i] < 0 || card->conformal[i] > 1) {
            g_autofree char *text = g_key_file_get_value(file, GROUP, "conformal", NULL);
            return wrong(name, "conformal", text, "numbers from 0 to 1 are wanted", error);
        }
    if ((card->n_conformal > 0) == (card->conformal_alpha > 0))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] conformal and conformal_alpha are given together", name);
    return false;
}

static bool read_ensemble(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    static const char *const words[] = {"average", "vote", "stack", "max", "mean", "noisy-or", "top-k", NULL};

    if (!mt_key_file_list(file, name, GROUP, "members", &card->members, error) ||
        !mt_key_file_string(file, name, GROUP, "combine", &card->combine, error) ||
        !read_numbers(file, name, "weights", &card->weights, &card->n_weights, error))
        return false;
    return card->combine == NULL || g_strv_contains(words, card->combine) ||
           wrong(name, "combine", card->combine, "average, vote or stack is wanted; of a task max, mean, noisy-or or top-k", error);
}

static bool read_reference(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    return mt_key_file_string(file, name, GROUP, "reference", &card->reference, error) &&
           mt_key_file_string(file, name, GROUP, "reference_sha256", &card->reference_sha256, error);
}

bool mt_head_card_read_decision(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    return read_calibration(file, name, card, error) && read_thresholds(file, name, card, error) &&
           read_conformal(file, name, card, error) && read_reference(file, name, card, error) && read_ensemble(file, name, card, error);
}

bool mt_head_card_fit_decision(const mt_head_card *card, GError **error)
{
    int  n = (int)g_strv_length(card->labels);
    bool binary = card->activation == MT_ACTIVATION_SIGMOID && n == 1;

    if ((card->platt[0] > 0 || card->n_isotonic > 0) &&
        (card->positive == NULL || (card->activation != MT_ACTIVATION_SOFTMAX && card->activation != MT_ACTIVATION_SIGMOID))) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                            "platt and isotonic are of one label's score: they want positive= and a softmax or sigmoid head");
        return false;
    }
    if (card->n_conformal > 0 && !binary && card->activation != MT_ACTIVATION_SOFTMAX) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL, "conformal sets want a softmax head, or a sigmoid head of one label");
        return false;
    }
    if (card->n_conformal <= 1 || card->n_conformal == (binary ? 2 : n))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card gives %d numbers for conformal sets, the head has %d classes: one, or one each",
                card->n_conformal, binary ? 2 : n);
    return false;
}
