#include "src/pipeline/dense_load.h"

#include "src/base/hash.h"
#include "src/encoder/card_text.h"
#include "src/encoder/nnunet.h"
#include "src/pipeline/recipe_findings.h"
#include "src/pipeline/resolved.h"

#include <math.h>
#include <string.h>

void mt_dense_rules_free(mt_dense_rules *rules)
{
    if (rules == NULL)
        return;
    g_strfreev(rules->labels);
    g_free(rules->channels);
    for (int i = 0; i < rules->n_measures; i++)
        mt_measure_rule_free(rules->measures[i]);
    for (int i = 0; i < rules->n_actions; i++)
        mt_action_rule_free(rules->actions[i]);
    g_free(rules->measures);
    g_free(rules->actions);
    g_free(rules);
}

/* What stands for one model, or for several in their order. */
static char *hash_of(const mt_dense *dense)
{
    g_autoptr(GString) all = g_string_new(NULL);

    if (mt_dense_n_folds(dense) == 1)
        return g_strdup(mt_model_sha256(mt_dense_model(dense, 0)));
    for (int i = 0; i < mt_dense_n_folds(dense); i++)
        g_string_append(all, mt_model_sha256(mt_dense_model(dense, i)));
    return mt_hash_bytes(all->str, all->len);
}

/* The labels that are objects: not what the map calls 0. */
static bool name_labels(const mt_recipe *recipe, const mt_dense_card *card, mt_dense_rules *rules, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    rules->channels = g_new0(int, card->n_labels);
    for (int k = 0; k < card->n_labels; k++)
        if (card->regions || card->activation == MT_DENSE_SIGMOID || card->values[k] != 0) {
            rules->channels[rules->n++] = k;
            g_ptr_array_add(names, g_strdup(card->labels[k]));
        }
    g_ptr_array_add(names, NULL);
    rules->labels = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
    if (recipe->label_names == NULL)
        return true;
    if (g_strv_length(recipe->label_names) != (guint)rules->n) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "load network %s: it has %d classes beside the background and the recipe's [labels] names %u", recipe->encoder,
                    rules->n, g_strv_length(recipe->label_names));
        return false;
    }
    g_strfreev(rules->labels);
    rules->labels = g_strdupv(recipe->label_names);
    return true;
}

static bool read_rules(const mt_recipe *recipe, mt_dense_rules *rules, GError **error)
{
    const char *source = recipe->path != NULL ? recipe->path : "the recipe";

    rules->measures = g_new0(mt_measure_rule *, recipe->measures != NULL ? g_strv_length(recipe->measures) + 1 : 1);
    rules->actions = g_new0(mt_action_rule *, recipe->actions != NULL ? g_strv_length(recipe->actions) + 1 : 1);
    for (char **text = recipe->measures; text != NULL && *text != NULL; text++) {
        rules->measures[rules->n_measures] = mt_measure_rule_parse(*text, rules->labels, source, error);
        if (rules->measures[rules->n_measures++] == NULL)
            return false;
    }
    for (char **text = recipe->actions; text != NULL && *text != NULL; text++) {
        rules->actions[rules->n_actions] = mt_action_rule_parse(*text, rules->measures, rules->n_measures, source, error);
        if (rules->actions[rules->n_actions++] == NULL)
            return false;
    }
    return true;
}

/* What decides: the recipe's positive label and thresholds, else the only label. */
static bool fill_card(mt_pipeline *p, GError **error)
{
    const mt_recipe *r = p->recipe;
    mt_head_card    *card = &p->head_card;

    *card = (mt_head_card){.labels = p->rules->labels,
                           .positive = r->positive != NULL ? r->positive
                                       : p->rules->n == 1  ? p->rules->labels[0]
                                                           : NULL,
                           .activation = MT_ACTIVATION_SIGMOID,
                           .temperature = 1,
                           .threshold = NAN,
                           .has_card = true};
    if (card->positive != NULL && !g_strv_contains((const char *const *)card->labels, card->positive)) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load network %s: positive=%s is none of its labels", r->encoder, card->positive);
        return false;
    }
    mt_recipe_override_triage(r, card);
    if (card->threshold_high == 0 || card->threshold_high >= card->threshold)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load network %s: the upper threshold %g needs a threshold that is not above it",
                r->encoder, card->threshold_high);
    return false;
}

static bool choose_precision(mt_pipeline *p, GError **error)
{
    const char  *named = p->recipe->precision;
    mt_precision precision = MT_PRECISION_FP32;

    if (named == NULL || strcmp(named, "auto") == 0) {
        if (MT_HAVE_ONEDNN && mt_dense_is_verified(p->dense, MT_PRECISION_BF16) && mt_precision_is_native(MT_PRECISION_BF16))
            precision = MT_PRECISION_BF16;
    } else if (!mt_precision_parse(named, &precision)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the run: precision %s: fp32, bf16, int8 or auto is wanted", named);
        return false;
    }
    p->contract.precision = precision;
    p->contract.off = !mt_dense_is_verified(p->dense, precision);
    if (!p->contract.off || p->recipe->off_contract)
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                "prepare network '%s': precision %s is wanted and its card does not list it as verified: leave --precision out, or give "
                "--off-contract (the result is then degraded)",
                p->model_name, mt_precision_name(precision));
    return false;
}

static char *resolve(const mt_pipeline *p)
{
    g_autofree char *mask = mt_masker_text(p->masker), *labels = g_strjoinv(";", p->rules->labels);
    g_autofree char *name = g_path_get_basename(p->recipe->encoder);
    GString         *text = g_string_new("# microtome: the recipe of this folder, every choice made\n[input]\n");

    mt_card_text_put(text, "modality", p->recipe->modality);
    mt_card_text_put(text, "plane_axis", mt_plane_axes[p->recipe->plane_axis]);
    g_string_append_printf(text, "\n[mask]\n%s\n[encoder]\n", mask);
    mt_card_text_put(text, "name", p->model_name);
    mt_card_text_put(text, "model", name);
    mt_card_text_put(text, "sha256", p->model_sha256);
    mt_card_text_put(text, "precision", mt_precision_name(p->contract.precision));
    g_string_append(text, "\n[head]\n");
    mt_card_text_put(text, "task", mt_recipe_task_name(p->recipe->task));
    mt_card_text_put(text, "labels", labels);
    mt_card_text_put(text, "positive", p->head_card.positive);
    if (!isnan(p->head_card.threshold))
        mt_card_text_put_numbers(text, "threshold", &p->head_card.threshold, 1);
    if (p->head_card.threshold_high > 0)
        mt_card_text_put_numbers(text, "threshold_high", &p->head_card.threshold_high, 1);
    mt_recipe_findings_text(p->recipe, text);
    return g_string_free(text, FALSE);
}

bool mt_pipeline_load_dense(mt_pipeline *p, GError **error)
{
    const char *path = p->recipe->encoder;

    if (p->recipe->head != NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the run: task=%s needs no head: leave %s out",
                    mt_recipe_task_name(p->recipe->task), p->recipe->head);
        return false;
    }
    p->dense = mt_nnunet_is_folder(path) ? mt_nnunet_load(path, NULL, error) : mt_dense_load(path, error);
    if (p->dense == NULL)
        return false;
    p->model_name = g_strdup(mt_dense_get_card(p->dense)->name);
    p->model_sha256 = hash_of(p->dense);
    p->rules = g_new0(mt_dense_rules, 1);
    if (!name_labels(p->recipe, mt_dense_get_card(p->dense), p->rules, error) || !read_rules(p->recipe, p->rules, error) ||
        !fill_card(p, error) || !choose_precision(p, error))
        return false;
    p->resolved = resolve(p);
    p->recipe_sha256 = mt_hash_bytes(p->resolved, strlen(p->resolved));
    return true;
}
