#include "src/pipeline/dense_load.h"

#include "src/base/hash.h"
#include "src/encoder/card_text.h"
#include "src/encoder/nnunet.h"
#include "src/pipeline/object_stages.h"
#include "src/pipeline/recipe_findings.h"
#include "src/pipeline/recipe_series.h"
#include "src/pipeline/reconstruct_case.h"
#include "src/pipeline/resolved.h"

#include <math.h>
#include <string.h>

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
static bool find_labels(const mt_recipe *recipe, const mt_dense_card *card, mt_finding_rules *rules)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    rules->channels = g_new0(int, card->n_labels);
    if (recipe->task == MT_RECIPE_RECONSTRUCT) {
        rules->labels = g_strdupv((char *[]){(char[]){"anomaly"}, NULL});
        rules->n = 1;
        return true;
    }
    for (int k = 0; k < card->n_labels; k++)
        if (card->regions || card->activation == MT_DENSE_SIGMOID || card->values[k] != 0) {
            rules->channels[rules->n++] = k;
            g_ptr_array_add(names, g_strdup(card->labels[k]));
        }
    g_ptr_array_add(names, NULL);
    rules->labels = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
    return true;
}

static bool name_labels(const mt_recipe *recipe, const mt_dense_card *card, mt_finding_rules *rules, GError **error)
{
    return find_labels(recipe, card, rules) && (recipe->task == MT_RECIPE_RECONSTRUCT || mt_finding_rules_rename(recipe, rules, error));
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

/* Another contract is another recipe, also where the network is the same. */
static void put_card(GString *text, const char *key, const mt_dense_card *card)
{
    g_autofree char *all = mt_dense_card_text(card), *sha256 = mt_hash_bytes(all, strlen(all));

    mt_card_text_put(text, key, sha256);
}

static char *resolve(const mt_pipeline *p)
{
    g_autofree char *mask = mt_masker_text(p->masker);
    g_autofree char *name = g_path_get_basename(p->recipe->encoder);
    GString         *text = g_string_new("# microtome: the recipe of this folder, every choice made\n[input]\n");

    mt_card_text_put(text, "modality", p->recipe->modality);
    mt_card_text_put(text, "preparation", p->recipe->preparation);
    mt_card_text_put(text, "register", p->recipe->registering);
    mt_card_text_put(text, "plane_axis", mt_plane_axes[p->recipe->plane_axis]);
    mt_card_text_put(text, "unit", p->recipe->unit_mm ? "mm" : NULL);
    if (p->recipe->sequences != NULL) {
        g_autofree char *sequences = g_strjoinv(";", p->recipe->sequences);
        mt_card_text_put(text, "sequences", sequences);
    }
    g_string_append_printf(text, "\n[mask]\n%s\n[encoder]\n", mask);
    mt_card_text_put(text, "name", p->model_name);
    mt_card_text_put(text, "model", name);
    mt_card_text_put(text, "sha256", p->model_sha256);
    put_card(text, "card_sha256", mt_dense_get_card(p->dense));
    mt_card_text_put(text, "precision", mt_precision_name(p->contract.precision));
    mt_finding_rules_text(p, text);
    if (p->normal != NULL) {
        g_autofree char *sha256 = mt_hash_bytes((const char *)p->normal->values, (size_t)p->normal->n * sizeof *p->normal->values);
        g_string_append_printf(text, "normal_cases=%d\n", p->normal->n);
        mt_card_text_put(text, "normal_sha256", sha256);
    }
    mt_object_stages_text(p->stages, text);
    mt_recipe_series_text(p->recipe, text);
    mt_recipe_findings_text(p->recipe, text);
    return g_string_free(text, FALSE);
}

/* The network draws what it gets. */
static bool check_reconstruction(mt_pipeline *p, GError **error)
{
    const mt_dense_card *card = mt_dense_get_card(p->dense);

    if (p->recipe->task != MT_RECIPE_RECONSTRUCT)
        return true;
    if (card->activation != MT_DENSE_NONE || card->n_labels != card->n_channels || card->slices != 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL,
                    "load network %s: task=reconstruct wants as many outputs as channels (%d), which are no logits (activation=none)",
                    p->recipe->encoder, card->n_channels);
        return false;
    }
    if (p->recipe->reference == NULL)
        return true;
    p->normal = g_new0(mt_normal_errors, 1);
    return mt_normal_errors_read(p->recipe->reference, p->model_sha256, p->normal, error);
}

/* A folder of nnU-Net's, or a network and its card. */
static bool load_network(mt_pipeline *p, const char *path, GError **error)
{
    if (mt_nnunet_is_folder(path))
        p->recipe->unit_mm = true; /* its own readers take every file for mm */
    p->dense = mt_nnunet_is_folder(path) ? mt_nnunet_load(path, NULL, error) : mt_dense_load(path, error);
    p->rules = g_new0(mt_finding_rules, 1);
    return p->dense != NULL;
}

bool mt_pipeline_load_case_stage(mt_pipeline *p, GError **error)
{
    const mt_recipe_stage *stage = &p->recipe->stages[0];

    if (!load_network(p, stage->model, error) || !find_labels(p->recipe, mt_dense_get_card(p->dense), p->rules) ||
        !mt_finding_rules_read(p->recipe, p->rules, error))
        return false;
    p->stages = mt_object_stages_load(p->recipe, p->rules, p->threads, error);
    return p->stages != NULL;
}

bool mt_pipeline_load_dense(mt_pipeline *p, GError **error)
{
    const char *path = p->recipe->encoder;

    if (p->recipe->head != NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "prepare the run: task=%s needs no head: leave %s out",
                    mt_recipe_task_name(p->recipe->task), p->recipe->head);
        return false;
    }
    if (!load_network(p, path, error))
        return false;
    p->model_name = g_strdup(mt_dense_get_card(p->dense)->name);
    p->model_sha256 = hash_of(p->dense);
    if (!name_labels(p->recipe, mt_dense_get_card(p->dense), p->rules, error) || !check_reconstruction(p, error) ||
        !mt_finding_rules_read(p->recipe, p->rules, error) || !mt_finding_rules_card(p, error) || !choose_precision(p, error))
        return false;
    p->stages = mt_object_stages_load(p->recipe, p->rules, p->threads, error);
    if (p->stages == NULL)
        return false;
    p->resolved = resolve(p);
    p->recipe_sha256 = mt_hash_bytes(p->resolved, strlen(p->resolved));
    return true;
}
