#include "mil/ensemble.h"

#include "mil/head_card.h"
#include "mil/score_activation.h"
#include "mil/score_calibration.h"
#include "src/base/alloc.h"
#include "src/base/hash.h"
#include "src/base/refuse.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A float32 score of 1 says no more than that it is within this of 1: stacking takes no larger log-odds from it. */
#define LEAST_REST 0x1p-24

typedef enum rule { AVERAGE, VOTE, STACK } rule;

typedef struct ensemble {
    GPtrArray    *heads; /* mt_head * */
    rule          rule;
    double       *weights; /* of stack: one a head, then the constant */
    mt_activation activation;
    int           n_classes, positive;
} ensemble;

static void free_ensemble(void *self)
{
    ensemble *e = self;

    g_ptr_array_unref(e->heads);
    g_free(e->weights);
    g_free(e);
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double log_odds(double score)
{
    double p = CLAMP(score, LEAST_REST, 1 - LEAST_REST);

    return log(p) - log(1 - p);
}

/* One vote a head for what excludes each other: the class of its largest score, the first of equal ones. */
static bool votes_for(const ensemble *e, const float *scores, int c)
{
    if (e->activation == MT_ACTIVATION_SIGMOID)
        return scores[c] >= 0.5F;
    for (int i = 0; i < e->n_classes; i++)
        if (scores[i] > scores[c] || (scores[i] == scores[c] && i < c))
            return false;
    return true;
}

static double share(const ensemble *e, const float *const *scores, int c)
{
    double sum = 0;

    for (guint m = 0; m < e->heads->len; m++)
        sum += e->rule == VOTE ? votes_for(e, scores[m], c) : scores[m][c];
    return sum / e->heads->len;
}

static double stacked(const ensemble *e, const float *const *scores)
{
    double sum = e->weights[e->heads->len];

    for (guint m = 0; m < e->heads->len; m++)
        sum += e->weights[m] * log_odds(scores[m][e->positive]);
    return sigmoid(sum);
}

/* The logits whose scores at temperature 1 are the combined scores, so that a card can calibrate these again. */
static void combine(const ensemble *e, const float *const *scores, float *logits)
{
    double rest = 0, positive = e->rule == STACK ? stacked(e, scores) : 0;

    for (int c = 0; c < e->n_classes; c++)
        rest += c != e->positive ? share(e, scores, c) : 0;
    for (int c = 0; c < e->n_classes; c++) {
        double p = share(e, scores, c);
        if (e->rule == STACK && c == e->positive)
            p = positive;
        else if (e->rule == STACK && e->activation == MT_ACTIVATION_SOFTMAX)
            p = (1 - positive) * (rest > 0 ? p / rest : 1.0 / (e->n_classes - 1));
        double odds = e->activation == MT_ACTIVATION_SIGMOID ? fmax(1 - p, FLT_MIN) : 1;
        logits[c] = (float)(log(fmax(p, FLT_MIN)) - log(odds));
    }
}

static bool combine_bag(const ensemble *e, const GPtrArray *outputs, mt_raw_output *raw, GError **error)
{
    g_autofree const float **scores = g_new(const float *, outputs->len);

    raw->n_logits = e->n_classes;
    raw->n_members = outputs->len;
    raw->logits = mt_alloc(e->n_classes, sizeof(float), error);
    raw->member_scores = raw->logits != NULL ? mt_alloc(raw->n_members * e->n_classes, sizeof(float), error) : NULL;
    if (raw->member_scores == NULL)
        return false;
    for (guint m = 0; m < outputs->len; m++) {
        scores[m] = ((const mt_head_output *)outputs->pdata[m])->scores;
        memcpy(raw->member_scores + m * (guint)e->n_classes, scores[m], (size_t)e->n_classes * sizeof(float));
    }
    combine(e, scores, raw->logits);
    return true;
}

/* Each tile as a bag of one, where all members judge tiles: by the same rule, so that the threshold means the same. */
static bool combine_tiles(const ensemble *e, const GPtrArray *outputs, mt_raw_output *raw, GError **error)
{
    g_autofree const float **scores = g_new(const float *, outputs->len);

    for (guint m = 0; m < outputs->len; m++)
        if (((const mt_head_output *)outputs->pdata[m])->tile_scores == NULL)
            return true;
    raw->tile_logits = mt_alloc(raw->n * e->n_classes, sizeof(float), error);
    for (int64_t i = 0; raw->tile_logits != NULL && i < raw->n; i++) {
        for (guint m = 0; m < outputs->len; m++)
            scores[m] = ((const mt_head_output *)outputs->pdata[m])->tile_scores + i * e->n_classes;
        combine(e, scores, raw->tile_logits + i * e->n_classes);
    }
    return raw->tile_logits != NULL;
}

/* The mean of what the members look at, where their columns are the same thing: heads of transformers are not. */
static bool combine_attention(const GPtrArray *outputs, mt_raw_output *raw, GError **error)
{
    const mt_head_output *first = outputs->pdata[0];
    int64_t               k = first->n_attention;

    for (guint m = 0; m < outputs->len; m++) {
        const mt_head_output *one = outputs->pdata[m];
        if (one->attention == NULL || one->attention_heads || one->n_attention != k)
            return true;
    }
    raw->attention = mt_alloc(raw->n * k, sizeof(float), error);
    for (int64_t i = 0; raw->attention != NULL && i < raw->n * k; i++) {
        double sum = 0;
        for (guint m = 0; m < outputs->len; m++)
            sum += ((const mt_head_output *)outputs->pdata[m])->attention[i];
        raw->attention[i] = (float)(sum / outputs->len);
    }
    raw->n_attention = k;
    return raw->attention != NULL;
}

static void free_output(gpointer output)
{
    mt_head_output_free(output);
}

static bool predict(const void *self, const mt_bag *bag, const mt_head_options *options, mt_raw_output *raw, GError **error)
{
    const ensemble *e = self;
    g_autoptr(GPtrArray) outputs = g_ptr_array_new_with_free_func(free_output);

    for (guint m = 0; m < e->heads->len; m++) {
        mt_head_output *one = mt_head_predict(e->heads->pdata[m], bag, options, error);
        if (one == NULL)
            return false;
        g_ptr_array_add(outputs, one);
        raw->distance = one->distance_limit > 0 ? fmax(raw->distance, one->distance / one->distance_limit) : raw->distance;
        mt_free(g_steal_pointer(&one->embedding)); /* not to be held for every member */
        mt_free(g_steal_pointer(&one->attention_logits));
    }
    raw->n = bag->n;
    return combine_bag(e, outputs, raw, error) && combine_attention(outputs, raw, error) && combine_tiles(e, outputs, raw, error);
}

static const mt_aggregator aggregator = {.name = "ensemble", .predict = predict, .free = free_ensemble};

/* What is said, and who said it first. */
typedef struct claim {
    const char *value, *by;
} claim;

static bool agree(claim *known, const char *what, const char *value, const char *by, GError **error)
{
    if (value == NULL || (known->value != NULL && g_ascii_strcasecmp(known->value, value) == 0))
        return true;
    if (known->value != NULL)
        return mt_refuse(error, MT_ERROR_MODEL, "%s has %s %s, %s has %s: members of an ensemble must agree", known->by, what, known->value,
                         by, value);
    *known = (claim){value, by};
    return true;
}

/* A member by its path, held against what the card and the members before it say. */
static bool join(mt_head_card *card, const mt_head *first, const mt_head *one, claim *encoder, claim *hash, GError **error)
{
    const mt_head_card *other = one->card;
    g_autofree char    *ours = g_strjoinv(", ", first->card->labels), *theirs = g_strjoinv(", ", other->labels);
    claim               labels = {ours, first->path}, activation = {mt_activation_name(first->card->activation), first->path};

    if (one->shape.n_logits == 0)
        return mt_refuse(error, MT_ERROR_MODEL, "member %s gives no scores", one->path);
    if (one->shape.dim != first->shape.dim)
        return mt_refuse(error, MT_ERROR_MODEL,
                         "%s takes %" G_GINT64_FORMAT " features per tile, %s takes %" G_GINT64_FORMAT
                         ": members of an ensemble must agree",
                         first->path, first->shape.dim, one->path, one->shape.dim);
    if (strcmp(ours, theirs) != 0)
        return mt_refuse(error, MT_ERROR_MODEL, "%s has labels %s, %s has %s: members of an ensemble must agree", labels.by, ours,
                         one->path, theirs);
    if (!agree(&activation, "activation", mt_activation_name(other->activation), one->path, error) ||
        !agree(encoder, "encoder", other->encoder, one->path, error) ||
        !agree(hash, "encoder_sha256", other->encoder_sha256, one->path, error))
        return false;
    if (card->target_mpp > 0 && other->target_mpp > 0 && fabs(other->target_mpp / card->target_mpp - 1) > 0.02)
        return mt_refuse(error, MT_ERROR_MODEL, "%s is for %g µm/px, the ensemble for %g: members of an ensemble must agree", one->path,
                         other->target_mpp, card->target_mpp);
    card->target_mpp = card->target_mpp > 0 ? card->target_mpp : other->target_mpp;
    card->demonstration |= other->demonstration;
    return true;
}

/* The positive label where the card does not say and all members say the same. */
static void take_positive(mt_head_card *card, const GPtrArray *heads)
{
    const char *label = ((const mt_head *)heads->pdata[0])->card->positive;

    for (guint m = 0; m < heads->len; m++)
        if (g_strcmp0(((const mt_head *)heads->pdata[m])->card->positive, label) != 0)
            label = NULL;
    if (card->positive == NULL)
        card->positive = g_strdup(label);
}

static bool join_all(mt_head *head, const GPtrArray *heads, GError **error)
{
    mt_head_card  *card = head->card;
    const mt_head *first = heads->pdata[0];
    claim          encoder = {card->encoder, head->path}, hash = {card->encoder_sha256, head->path};

    for (guint m = 0; m < heads->len; m++)
        if (!join(card, first, heads->pdata[m], &encoder, &hash, error))
            return false;
    mt_head_card_suggest_activation(card, first->card->activation);
    claim said = {mt_activation_name(card->activation), head->path};
    if (!agree(&said, "activation", mt_activation_name(first->card->activation), first->path, error))
        return false;
    if (card->activation != MT_ACTIVATION_SOFTMAX && card->activation != MT_ACTIVATION_SIGMOID)
        return mt_refuse(error, MT_ERROR_MODEL, "activation=%s: ensembles are of softmax and sigmoid heads", said.value);
    if (card->labels == NULL)
        card->labels = g_strdupv(first->card->labels);
    else if (!g_strv_equal((const char *const *)card->labels, (const char *const *)first->card->labels)) {
        g_autofree char *ours = g_strjoinv(", ", card->labels), *theirs = g_strjoinv(", ", first->card->labels);
        return mt_refuse(error, MT_ERROR_MODEL, "%s has labels %s, %s has %s: members of an ensemble must agree", head->path, ours,
                         first->path, theirs);
    }
    if (card->encoder == NULL)
        card->encoder = g_strdup(encoder.value);
    if (card->encoder_sha256 == NULL)
        card->encoder_sha256 = g_strdup(hash.value);
    take_positive(card, heads);
    head->shape = (mt_aggregator_shape){first->shape.dim, (int64_t)g_strv_length(card->labels)};
    return true;
}

static mt_head *load_member(const char *card_path, const char *member, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(member, "/", -1);
    g_autofree char *folder = g_path_get_dirname(card_path), *path = g_build_filename(folder, member, NULL);

    if (*member == '\0' || *member == '/' || g_strv_contains((const char *const *)parts, "..")) {
        mt_refuse(error, MT_ERROR_MODEL, "members=%s: paths below the card's folder are wanted", member);
        return NULL;
    }
    if (g_str_has_suffix(member, ".card")) {
        mt_refuse(error, MT_ERROR_MODEL, "members=%s: a member is a head, not another card", member);
        return NULL;
    }
    return mt_head_load(path, error);
}

static void unref_head(gpointer head)
{
    mt_head_unref(head);
}

static GPtrArray *load_members(const char *card_path, char **members, GError **error)
{
    g_autoptr(GPtrArray) heads = g_ptr_array_new_with_free_func(unref_head);

    for (char **member = members; *member != NULL; member++) {
        bool     twice = g_strv_contains((const char *const *)member + 1, *member);
        mt_head *one = twice ? NULL : load_member(card_path, *member, error);
        if (twice)
            mt_refuse(error, MT_ERROR_MODEL, "members=%s: named twice", *member);
        if (one == NULL)
            return NULL;
        g_ptr_array_add(heads, one);
    }
    return g_steal_pointer(&heads);
}

/* Weights never below 0, so that no member's higher score lowers the ensemble's. */
static bool take_weights(ensemble *e, const mt_head_card *card, GError **error)
{
    int    n = (int)e->heads->len;
    double sum = 0;

    if (e->rule != STACK)
        return card->n_weights == 0 || mt_refuse(error, MT_ERROR_MODEL, "weights are of combine=stack");
    if (card->n_weights != n && card->n_weights != n + 1)
        return mt_refuse(error, MT_ERROR_MODEL, "combine=stack: %d weights for %d members: one each, and at most a constant after them",
                         card->n_weights, n);
    if (e->positive < 0)
        return mt_refuse(error, MT_ERROR_MODEL, "combine=stack is of one label's score: it wants positive=");
    e->weights = g_new0(double, (gsize)n + 1);
    for (int m = 0; m < card->n_weights; m++) {
        e->weights[m] = card->weights[m];
        if (m < n && !(card->weights[m] >= 0))
            return mt_refuse(error, MT_ERROR_MODEL, "combine=stack: weight %g of %s is below 0", card->weights[m], card->members[m]);
        sum += m < n ? card->weights[m] : 0;
    }
    return sum > 0 || mt_refuse(error, MT_ERROR_MODEL, "combine=stack: all weights are 0");
}

/* Of what makes the logits: not of the ensemble's own calibration and thresholds, which may follow from its results. */
static char *hash(const mt_head_card *card, const GPtrArray *heads)
{
    mt_head_card     parts = {.members = card->members,
                              .combine = card->combine,
                              .weights = card->weights,
                              .n_weights = card->n_weights,
                              .positive = card->positive,
                              .threshold = NAN,
                              .temperature = 1};
    g_autofree char *own = mt_head_card_text(&parts);
    mt_hasher       *hasher = mt_hasher_new();

    mt_hasher_update(hasher, own, strlen(own));
    for (guint m = 0; m < heads->len; m++) {
        const mt_head   *one = heads->pdata[m];
        g_autofree char *text = mt_head_card_text(one->card);
        mt_hasher_update(hasher, one->sha256, strlen(one->sha256));
        mt_hasher_update(hasher, text, strlen(text));
    }
    return mt_hasher_finish(hasher);
}

static bool build(mt_head *head, GError **error)
{
    mt_head_card *card = head->card;

    if (g_strcmp0(card->kind, "ensemble") != 0)
        return mt_refuse(error, MT_ERROR_MODEL, "a card alone is a head where it says kind=ensemble: name the head's own file");
    if (card->members == NULL || g_strv_length(card->members) < 2)
        return mt_refuse(error, MT_ERROR_MODEL, "kind=ensemble: members= of two heads or more is wanted");
    GPtrArray *heads = load_members(head->path, card->members, error);
    if (heads == NULL)
        return false;
    ensemble *e = head->state = g_new0(ensemble, 1);
    head->aggregator = &aggregator;
    e->heads = heads;
    if (!join_all(head, heads, error))
        return false;
    if (card->combine != NULL && !g_strv_contains((const char *const[]){"average", "vote", "stack", NULL}, card->combine))
        return mt_refuse(error, MT_ERROR_MODEL, "combine=%s is of a task's tiles: average, vote or stack is wanted", card->combine);
    e->rule = g_strcmp0(card->combine, "vote") == 0 ? VOTE : g_strcmp0(card->combine, "stack") == 0 ? STACK : AVERAGE;
    e->activation = card->activation;
    e->n_classes = (int)g_strv_length(card->labels);
    e->positive = mt_head_card_label(card, card->positive);
    head->sha256 = hash(card, heads);
    return take_weights(e, card, error);
}

bool mt_ensemble_load(mt_head *head, GError **error)
{
    g_autoptr(GError) cause = NULL;

    head->card = mt_head_card_load(head->path, &cause);
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    if (head->card == NULL) {
        g_set_error(error, MT_ERROR, MT_ERROR_MISSING, "read head %s: no such file", head->path);
        return false;
    }
    if (build(head, error))
        return true;
    g_prefix_error(error, "head %s: ", head->path);
    return false;
}
