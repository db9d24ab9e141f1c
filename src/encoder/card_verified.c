#include "src/encoder/card_verified.h"

#include "src/base/decimal.h"
#include "src/base/publish.h"
#include "src/encoder/card_text.h"
#include "src/encoder/card_words.h"
#include "src/encoder/encoder_private.h"
#include "src/encoder/model_card.h"

#include <microtome/verify.h>

#include <math.h>
#include <string.h>

/* *inside: the line stands in the group [encoder]. */
static void follow_group(const char *line, bool *inside)
{
    g_autofree char *trimmed = g_strstrip(g_strdup(line));

    if (*trimmed == '[')
        *inside = strcmp(trimmed, "[encoder]") == 0;
}

static bool is_verified_key(const char *line)
{
    static const char *const keys[] = {"verified", "verified_sha256", "verified_cosine_bf16", "verified_cosine_int8", NULL};
    const char              *equals = strchr(line, '=');
    g_autofree char         *key = equals != NULL ? g_strstrip(g_strndup(line, (gsize)(equals - line))) : NULL;

    return key != NULL && g_strv_contains(keys, key);
}

/* The line before which new keys go: where the old ones stand, else behind the last line of the group that says anything. */
static guint find_place(char **lines)
{
    bool  inside = false;
    guint place = 0;

    for (guint i = 0; lines[i] != NULL; i++) {
        follow_group(lines[i], &inside);
        if (inside && is_verified_key(lines[i]))
            return i;
        if (inside && strspn(lines[i], " \t\r") != strlen(lines[i]))
            place = i + 1;
    }
    return place;
}

char *mt_card_replace_verified(const char *text, const char *new_lines)
{
    bool     ended = text[0] == '\0' || g_str_has_suffix(text, "\n");
    GString *out = g_string_new(NULL), *whole = g_string_new(text);

    if (!ended)
        g_string_append_c(whole, '\n');
    g_auto(GStrv) lines = g_strsplit(whole->str, "\n", -1); /* the last one is empty */
    guint place = find_place(lines);
    bool  inside = false;
    g_string_free(whole, TRUE);
    for (guint i = 0; lines[i] != NULL; i++) {
        if (i == place)
            g_string_append(out, new_lines);
        follow_group(lines[i], &inside);
        if (lines[i + 1] != NULL && !(inside && is_verified_key(lines[i])))
            g_string_append_printf(out, "%s\n", lines[i]);
    }
    return g_string_free(out, FALSE);
}

bool mt_verify_holds(const mt_verify_result *result)
{
    return result->figures.min_cosine >= mt_verify_limit(result->precision);
}

static const mt_verify_result *find_result(const mt_verify_result *results, int n, int precision)
{
    for (int i = 0; i < n; i++)
        if ((int)results[i].precision == precision)
            return &results[i];
    return NULL;
}

/* Rounded down: a card never claims more than was seen. */
static double floor_cosine(double cosine)
{
    return floor(cosine * 1e7) / 1e7;
}

/* fp32; what was verified now; what the card said before of this model and was not measured again. */
static char *verified_lines(const mt_encoder *encoder, const mt_verify_result *results, int n)
{
    GString *list = g_string_new("verified=fp32"), *figures = g_string_new(NULL);
    char     digits[MT_DECIMAL_BYTES];

    for (int p = MT_PRECISION_FP32 + 1; mt_card_precisions[p] != NULL; p++) {
        const mt_verify_result *now = find_result(results, n, p);
        double                  cosine = now != NULL ? floor_cosine(now->figures.min_cosine) : encoder->card->verified_cosine[p];
        if (now != NULL ? !mt_verify_holds(now) : !mt_encoder_is_verified(encoder, (mt_precision)p))
            continue;
        g_string_append_printf(list, ";%s", mt_card_precisions[p]);
        if (!isnan(cosine))
            g_string_append_printf(figures, "verified_cosine_%s=%s\n", mt_card_precisions[p], mt_decimal_text(cosine, digits));
    }
    g_string_append_printf(list, "\n%sverified_sha256=%s\n", figures->str, mt_model_sha256(encoder->model));
    g_string_free(figures, TRUE);
    return g_string_free(list, FALSE);
}

/* A card that names nothing verified has nothing to take back. */
static bool worth_writing(const mt_encoder *encoder, const mt_verify_result *results, int n)
{
    for (int i = 0; i < n; i++)
        if (mt_verify_holds(&results[i]) || mt_encoder_is_verified(encoder, results[i].precision))
            return true;
    return false;
}

bool mt_verify_write_card(const mt_encoder *encoder, const mt_verify_result *results, int n, char **path, GError **error)
{
    g_autofree char *card = mt_model_card_path(encoder->path), *text = NULL, *lines = NULL;
    g_autoptr(GError) cause = NULL;

    *path = NULL;
    if (g_str_has_prefix(encoder->path, "builtin:")) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "write the card of %s: it is built in and stays as it is", encoder->path);
        return false;
    }
    if (!worth_writing(encoder, results, n))
        return true;
    if (!g_file_test(card, G_FILE_TEST_EXISTS))
        text = mt_card_text_new(encoder->card);
    else if (!g_file_get_contents(card, &text, NULL, &cause)) {
        g_set_error(error, MT_ERROR, MT_ERROR_IO, "write the card %s: %s", card, cause->message);
        return false;
    }
    lines = verified_lines(encoder, results, n);
    g_autofree char *replaced = mt_card_replace_verified(text, lines);
    if (!mt_publish_text(card, replaced, true, error))
        return false;
    *path = g_steal_pointer(&card);
    return true;
}
