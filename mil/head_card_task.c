/* The keys of [head] that tasks alone have: what a network's own outputs mean (docs/tasks.md). */
#include "mil/head_card.h"
#include "src/base/key_file.h"

#include <math.h>
#include <string.h>

#define GROUP "head"

bool mt_head_task_known(const char *name)
{
    static const char *const tasks[] = {"classify", "tiles", "zero-shot", "embed", NULL};

    return g_strv_contains(tasks, name);
}

/* A share for each label; "-" is a label without one. */
static bool read_shares(GKeyFile *file, const char *name, const char *key, double none, double **values, int *n, GError **error)
{
    g_auto(GStrv) list = NULL;

    if (!mt_key_file_list(file, name, GROUP, key, &list, error))
        return false;
    *n = list != NULL ? (int)g_strv_length(list) : 0;
    *values = *n > 0 ? g_new0(double, *n) : NULL;
    for (int i = 0; i < *n; i++) {
        char  *end;
        double value = g_ascii_strtod(list[i], &end);
        bool   absent = strcmp(list[i], "-") == 0;
        if (!absent && (end == list[i] || *end != '\0' || !(value > 0 && value < 1))) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                        "read %s: [head] %s=..%s..: a number between 0 and 1 for each label is wanted, - for none", name, key, list[i]);
            return false;
        }
        (*values)[i] = absent ? none : value;
    }
    return true;
}

bool mt_head_card_read_task(GKeyFile *file, const char *name, mt_head_card *card, GError **error)
{
    return mt_key_file_bool(file, name, GROUP, "probabilities", &card->probabilities, error) &&
           read_shares(file, name, "op_norm", 0, &card->op_norm, &card->n_op_norm, error) &&
           read_shares(file, name, "thresholds", (double)NAN, &card->thresholds, &card->n_thresholds, error) &&
           mt_key_file_double(file, name, GROUP, "logit_scale", 1e-6, 1e6, &card->logit_scale, error);
}

static bool refuse_key(const char *key, const char *kind, GError **error)
{
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card says %s=: a head of kind %s has no such thing", key, kind);
    return false;
}

static bool check_count(const mt_head_card *card, const char *key, int n, GError **error)
{
    guint labels = g_strv_length(card->labels);

    if (n == 0 || (guint)n == labels)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "the card gives %d numbers for %s, it has %u labels", n, key, labels);
    return false;
}

/* The positive label's own threshold, where the card names no other. */
static void follow_thresholds(mt_head_card *card)
{
    for (int i = 0; isnan(card->threshold) && card->positive != NULL && i < card->n_thresholds; i++)
        if (strcmp(card->labels[i], card->positive) == 0)
            card->threshold = card->thresholds[i];
}

bool mt_head_card_fit_task(mt_head_card *card, const char *kind, GError **error)
{
    if (kind != NULL && (card->n_op_norm > 0 || card->probabilities || card->logit_scale > 0))
        return refuse_key(card->n_op_norm > 0 ? "op_norm" : card->probabilities ? "probabilities" : "logit_scale", kind, error);
    if (!check_count(card, "op_norm", card->n_op_norm, error) || !check_count(card, "thresholds", card->n_thresholds, error))
        return false;
    if (card->n_op_norm > 0 && card->activation != MT_ACTIVATION_SIGMOID) {
        g_set_error_literal(error, MT_ERROR, MT_ERROR_MODEL,
                            "op_norm is of findings, each by itself: activation=sigmoid or none is wanted");
        return false;
    }
    follow_thresholds(card);
    return true;
}
