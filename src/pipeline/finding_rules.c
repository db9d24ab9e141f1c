#include "src/pipeline/finding_rules.h"

#include "src/base/alloc.h"
#include "src/encoder/card_text.h"
#include "src/pipeline/recipe_tasks.h"
#include "src/store/schema.h"

#include <math.h>

void mt_finding_rules_free(mt_finding_rules *rules)
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

bool mt_finding_rules_rename(const mt_recipe *recipe, mt_finding_rules *rules, GError **error)
{
    if (recipe->label_names == NULL)
        return true;
    if (g_strv_length(recipe->label_names) != (guint)rules->n) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "load network %s: it finds %d classes and the recipe's [labels] names %u",
                    recipe->encoder, rules->n, g_strv_length(recipe->label_names));
        return false;
    }
    g_strfreev(rules->labels);
    rules->labels = g_strdupv(recipe->label_names);
    return true;
}

/* [head] location names labels that the network has. */
static bool check_places(const mt_recipe *recipe, const mt_finding_rules *rules, const char *source, GError **error)
{
    for (char **place = recipe->places; place != NULL && *place != NULL; place++)
        if (!g_strv_contains((const char *const *)rules->labels, *place)) {
            g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [head] location=%s is none of the network's classes", source, *place);
            return false;
        }
    return true;
}

static bool finds_objects(const mt_recipe *recipe)
{
    return recipe->task == MT_RECIPE_SEGMENT || recipe->task == MT_RECIPE_DETECT || mt_recipe_segments_case(recipe);
}

/* Objects have sizes, cases have scores. */
static bool check_kind(const mt_recipe *recipe, const mt_measure_rule *rule, const char *source, GError **error)
{
    if ((rule->kind == MT_MEASURE_SCORE) != finds_objects(recipe))
        return true;
    g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [measure] %s=%s: %s", source, rule->name, rule->text,
                finds_objects(recipe) ? "score(CLASS) is of a task that finds no objects; of objects max_score(CLASS) is wanted"
                                      : "this task finds no objects: score(CLASS) alone is wanted");
    return false;
}

bool mt_finding_rules_read(const mt_recipe *recipe, mt_finding_rules *rules, GError **error)
{
    const char *source = recipe->path != NULL ? recipe->path : "the recipe";

    if (!check_places(recipe, rules, source, error))
        return false;
    rules->measures = g_new0(mt_measure_rule *, recipe->measures != NULL ? g_strv_length(recipe->measures) + 1 : 1);
    rules->actions = g_new0(mt_action_rule *, recipe->actions != NULL ? g_strv_length(recipe->actions) + 1 : 1);
    for (char **text = recipe->measures; text != NULL && *text != NULL; text++) {
        rules->measures[rules->n_measures] = mt_measure_rule_parse(*text, rules->labels, source, error);
        if (rules->measures[rules->n_measures++] == NULL || !check_kind(recipe, rules->measures[rules->n_measures - 1], source, error))
            return false;
    }
    for (char **text = recipe->actions; text != NULL && *text != NULL; text++) {
        rules->actions[rules->n_actions] = mt_action_rule_parse(*text, rules->measures, rules->n_measures, source, error);
        if (rules->actions[rules->n_actions++] == NULL)
            return false;
    }
    return true;
}

bool mt_finding_rules_of_scores(mt_pipeline *p, GError **error)
{
    if (p->rules != NULL || (p->recipe->measures == NULL && p->recipe->actions == NULL))
        return true;
    if (p->head == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MODEL, "read %s: [measure] and [action] want a score: name a head or a task",
                    p->recipe->path);
        return false;
    }
    p->rules = g_new0(mt_finding_rules, 1);
    p->rules->labels = g_strdupv(p->head_card.labels);
    p->rules->n = (int)g_strv_length(p->rules->labels);
    return mt_finding_rules_read(p->recipe, p->rules, error);
}

/* What decides: the recipe's positive label and thresholds, else the only label. */
bool mt_finding_rules_card(mt_pipeline *p, GError **error)
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

void mt_finding_rules_text(const mt_pipeline *p, GString *text)
{
    g_autofree char *labels = g_strjoinv(";", p->rules->labels);

    g_string_append(text, "\n[head]\n");
    mt_card_text_put(text, "task", mt_recipe_task_name(p->recipe->task));
    if (p->recipe->places != NULL) {
        g_autofree char *places = g_strjoinv(";", p->recipe->places);
        mt_card_text_put(text, "location", places);
    }
    if (p->recipe->min_mm > 0)
        mt_card_text_put_numbers(text, "min_mm", &p->recipe->min_mm, 1);
    if (p->recipe->min_score > 0)
        mt_card_text_put_numbers(text, "min_score", &p->recipe->min_score, 1);
    mt_card_text_put(text, "labels", labels);
    mt_card_text_put(text, "positive", p->head_card.positive);
    if (!isnan(p->head_card.threshold))
        mt_card_text_put_numbers(text, "threshold", &p->head_card.threshold, 1);
    if (p->head_card.threshold_high > 0)
        mt_card_text_put_numbers(text, "threshold_high", &p->head_card.threshold_high, 1);
}

mt_objects_frame mt_finding_frame(const mt_case *c, double affine[16])
{
    const mt_level  *level = mt_case_level(c, 0);
    mt_objects_frame frame = {.size = {level->width, level->height, mt_case_planes(c)}};
    double           mpp[2];

    if (mt_case_mpp(c, &mpp[0], &mpp[1])) {
        frame.spacing_mm[0] = mpp[0] / 1000;
        frame.spacing_mm[1] = mpp[1] / 1000;
        frame.spacing_mm[2] = mt_case_plane_spacing_um(c) / 1000;
        frame.affine = mt_case_affine(c, affine) ? affine : NULL;
    }
    return frame;
}

void mt_findings_measure(mt_findings *f, const mt_finding_rules *rules, const mt_measure_facts *facts)
{
    f->n_measurements = rules->n_measures;
    f->measurements = g_new0(mt_measurement, rules->n_measures + 1);
    for (int i = 0; i < rules->n_measures; i++)
        mt_measurement_find(rules->measures[i], facts, &f->measurements[i]);
    f->actions = g_ptr_array_new_with_free_func((GDestroyNotify)mt_action_free);
    for (int i = 0; i < rules->n_actions; i++) {
        mt_action *action = mt_action_choose(rules->actions[i], f->measurements);
        if (action != NULL)
            g_ptr_array_add(f->actions, action);
    }
}

static mt_head_output *new_output(int n, GError **error)
{
    mt_head_output *output = g_new0(mt_head_output, 1);

    output->n_classes = n;
    output->scores = mt_alloc(n, sizeof(float), error);
    output->logits = output->scores != NULL ? mt_alloc(n, sizeof(float), error) : NULL;
    if (output->logits == NULL)
        g_clear_pointer(&output, mt_head_output_free);
    return output;
}

static void set_score(mt_head_output *output, int k, double score)
{
    double inside = CLAMP(score, 1e-7, 1 - 1e-7);

    output->scores[k] = (float)score;
    output->logits[k] = (float)log(inside / (1 - inside));
}

mt_head_output *mt_score_output(double score, GError **error)
{
    mt_head_output *output = new_output(1, error);

    if (output != NULL)
        set_score(output, 0, score);
    return output;
}

/* The positive label's score is that of its most probable object; of labels without probabilities it is known only whether they were
 * found. */
mt_head_output *mt_findings_output(const mt_findings *f, const mt_finding_rules *rules, GError **error)
{
    mt_head_output *output = new_output(rules->n, error);

    for (int k = 0; output != NULL && k < rules->n; k++) {
        double best = mt_objects_max_score(f->objects, k);
        set_score(output, k, isnan(best) ? 1 : best);
    }
    return output;
}

bool mt_findings_store(const mt_findings *f, mt_language language, mt_store *store, GError **error)
{
    return mt_objects_store(f->objects, store, error) &&
           (f->n_measurements == 0 || mt_measurements_store(f->measurements, f->n_measurements, store, error)) &&
           mt_actions_store(f->actions, language, store, error);
}

bool mt_findings_of_scores(const mt_pipeline *p, const mt_prediction *prediction, mt_store *store, GError **error)
{
    if (p->rules == NULL || p->rules->n_measures == 0 || finds_objects(p->recipe))
        return true;
    g_autofree double     *scores = g_new0(double, p->rules->n);
    const mt_measure_facts facts = {.scores = prediction->scores != NULL ? scores : NULL};
    mt_findings            found = {0};

    for (int k = 0; prediction->scores != NULL && k < p->rules->n; k++)
        scores[k] = mt_prediction_label_score(prediction, &p->head_card, k);
    mt_findings_measure(&found, p->rules, &facts);
    bool ok = mt_measurements_store(found.measurements, found.n_measurements, store, error) &&
              mt_actions_store(found.actions, p->language, store, error);
    mt_findings_clear(&found);
    return ok;
}

void mt_findings_clear(mt_findings *f)
{
    for (int i = 0; i < f->n_measurements; i++)
        mt_measurement_clear(&f->measurements[i]);
    g_clear_pointer(&f->measurements, g_free);
    g_clear_pointer(&f->actions, g_ptr_array_unref);
    g_clear_pointer(&f->objects, mt_objects_free);
}
