#include "src/base/alloc.h"
#include "src/base/hash.h"
#include "src/pipeline/aggregate_record.h"
#include "src/result/headline.h"
#include "src/result/messages.h"
#include "src/store/schema.h"

#include <microtome/recipe.h>

#include <math.h>
#include <string.h>

#define SAME_EDGE 0.01         /* of a tile: slides of one scanner differ in the third digit of their µm/px */
#define LEAST_PROBABILITY 1e-7 /* of the logits that a combined score is given */

static const char *const rules[] = {"bag", "max", "mean", "noisy_or", NULL};

const char *mt_patient_rule_name(mt_patient_rule rule)
{
    return rules[rule];
}

bool mt_patient_rule_parse(const char *name, mt_patient_rule *rule)
{
    for (int i = 0; rules[i] != NULL; i++)
        if (strcmp(rules[i], name) == 0) {
            *rule = (mt_patient_rule)i;
            return true;
        }
    return false;
}

char *mt_aggregate_patient_sha256(const mt_scorer *scorer, mt_patient_rule rule, const mt_patient *patient, GError **error)
{
    g_autofree char *resolved = mt_aggregate_resolved(scorer);
    mt_hasher       *hasher = mt_hasher_new();
    bool             ok = true;

    mt_hasher_update(hasher, rules[rule], strlen(rules[rule]));
    mt_hasher_update(hasher, resolved, strlen(resolved));
    for (const char *const *path = patient->paths; ok && *path != NULL; path++) {
        g_autofree char *one = mt_hash_file(*path, error);
        ok = one != NULL;
        if (ok)
            mt_hasher_update(hasher, one, strlen(one));
    }
    for (const char *const *id = patient->missing; ok && *id != NULL; id++)
        mt_hasher_update(hasher, *id, strlen(*id) + 1);
    char *sha256 = mt_hasher_finish(hasher);
    if (!ok)
        g_clear_pointer(&sha256, g_free);
    return sha256;
}

/* One result of the patient. */
typedef struct member {
    mt_feature_file *file;
    mt_bag           bag; /* of the file */
    mt_headline     *headline;
    float           *scores; /* of its own prediction, one a class; NULL: it does not count */
} member;

typedef struct members {
    member     *list;
    int         n;
    int64_t     tiles, invalid, dim, n_classes;
    uint8_t    *valid;      /* tiles, one case after the other */
    mt_language language;   /* of the reasons */
    GString    *left_out;   /* "slide-2 (withheld), ..." */
    double      tissue_mm2; /* -1: unknown of one */
    bool        degraded, demonstration;
} members;

static void members_clear(members *m)
{
    for (int i = 0; i < m->n; i++) {
        mt_feature_file_free(m->list[i].file);
        mt_headline_free(m->list[i].headline);
        g_free(m->list[i].scores);
    }
    g_free(m->list);
    mt_free(m->valid);
    if (m->left_out != NULL)
        g_string_free(m->left_out, TRUE);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(members, members_clear)

static void leave_out(members *m, const char *id, mt_message message)
{
    g_autofree char *why = mt_message_text(message, m->language, NULL);

    g_string_append_printf(m->left_out, "%s%s (%s)", m->left_out->len > 0 ? ", " : "", id, why);
    m->degraded = true;
}

static bool take_scores(const mt_scorer *scorer, member *one, GError **error)
{
    int64_t n = (int64_t)g_strv_length(scorer->card.labels);

    if (!mt_result_has(one->file->result, MT_OBJECT_SCORES))
        return true;
    g_autoptr(mt_tensor) scores = mt_result_read(one->file->result, MT_OBJECT_SCORES, error);
    if (scores == NULL)
        return false;
    if (g_strcmp0(one->headline->head_sha256, mt_head_sha256(scorer->head)) != 0 || scores->dtype != MT_F32 ||
        mt_tensor_count(scores) != n) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE, "combine %s: it was scored by another head: score all cases of a patient with one",
                    mt_result_path(one->file->result));
        return false;
    }
    one->scores = g_memdup2(scores->data, (gsize)n * sizeof(float));
    return true;
}

static bool add_member(members *m, const mt_scorer *scorer, const char *path, GError **error)
{
    member *one = &m->list[m->n++];

    one->file = mt_feature_file_open(path, error);
    if (one->file == NULL)
        return false;
    one->bag = mt_feature_file_bag(one->file);
    g_autofree char *line = mt_result_headline(path, error);
    one->headline = line != NULL ? mt_headline_parse(line, path, error) : NULL;
    if (one->headline == NULL)
        return false;
    mt_feature_origin origin = mt_feature_file_origin(one->file);
    if (!mt_head_accepts(scorer->head, &origin, error) || !take_scores(scorer, one, error))
        return false;
    const char *status = one->headline->status;
    if (strcmp(status, "withheld") == 0 || one->file->n_valid == 0)
        leave_out(m, one->headline->id, strcmp(status, "withheld") == 0 ? MT_MESSAGE_WITHOUT_WITHHELD : MT_MESSAGE_WITHOUT_TILES);
    m->degraded |= strcmp(status, "degraded") == 0 || strcmp(status, "insufficient") == 0;
    m->demonstration |= one->headline->demonstration;
    m->tiles += one->file->n;
    m->invalid += one->file->n - one->file->n_valid;
    m->tissue_mm2 = m->tissue_mm2 < 0 || isnan(one->headline->tissue_mm2) ? -1 : m->tissue_mm2 + one->headline->tissue_mm2;
    return true;
}

static bool open_members(members *m, const mt_scorer *scorer, const mt_patient *patient, GError **error)
{
    m->list = g_new0(member, g_strv_length((char **)(uintptr_t)patient->paths) + 1);
    m->left_out = g_string_new(NULL);
    m->language = mt_language_of(scorer->language);
    for (const char *const *path = patient->paths; *path != NULL; path++)
        if (!add_member(m, scorer, *path, error))
            return false;
    for (const char *const *id = patient->missing; *id != NULL; id++)
        leave_out(m, *id, MT_MESSAGE_WITHOUT_RESULT);
    m->dim = m->n > 0 ? m->list[0].file->dim : 0;
    m->n_classes = (int64_t)g_strv_length(scorer->card.labels);
    m->valid = mt_alloc(MAX(1, m->tiles), 1, error);
    uint8_t *valid = m->valid;
    for (int i = 0; valid != NULL && i < m->n; valid += m->list[i++].file->n)
        memcpy(valid, m->list[i].file->valid, (size_t)m->list[i].file->n);
    return valid != NULL;
}

/* Of all cases, one after the other: whose rows those from *first on are, and how many of `count`. */
static const mt_bag *find_member(const members *m, int64_t *first, int64_t count, int64_t *here)
{
    int i = 0;

    for (; *first >= m->list[i].bag.n; i++)
        *first -= m->list[i].bag.n;
    *here = MIN(count, m->list[i].bag.n - *first);
    return &m->list[i].bag;
}

static bool read_members(void *user, int64_t first, int64_t count, float *out, GError **error)
{
    for (int64_t done = 0, here; done < count; done += here) {
        int64_t       row = first + done;
        const mt_bag *bag = find_member(user, &row, count - done, &here);
        if (!mt_bag_read(bag, row, here, out + done * bag->dim, error))
            return false;
    }
    return true;
}

/* Their places, each in the frame of its own case. */
static bool read_member_coords(void *user, int64_t first, int64_t count, int64_t *xy, GError **error)
{
    for (int64_t done = 0, here; done < count; done += here) {
        int64_t       row = first + done;
        const mt_bag *bag = find_member(user, &row, count - done, &here);
        if (!mt_bag_read_coords(bag, row, here, bag->coords_width, xy + done * bag->coords_width, error))
            return false;
    }
    return true;
}

/* And by its own µm/px. */
static bool read_member_um(void *user, int64_t first, int64_t count, double *um, GError **error)
{
    for (int64_t done = 0, here; done < count; done += here) {
        int64_t       row = first + done;
        const mt_bag *bag = find_member(user, &row, count - done, &here);
        if (!mt_bag_read_um(bag, row, here, um + 2 * done, error))
            return false;
    }
    return true;
}

static mt_bag bag_of(members *m)
{
    mt_bag        bag = {.n = m->tiles - m->invalid, .dim = m->dim, .read = read_members, .user = m, .read_um = read_member_um};
    const mt_bag *known = NULL;

    for (int i = 0; i < m->n; i++) {
        const mt_bag *one = &m->list[i].bag;
        if (one->n == 0)
            continue;
        if (known == NULL) {
            known = one;
            bag.coords_width = one->coords_width;
            bag.tile_level0 = one->tile_level0;
        }
        bag.coords_width = one->coords_width == bag.coords_width ? bag.coords_width : 0;
        bag.tile_level0 = fabs(one->tile_level0 - bag.tile_level0) <= SAME_EDGE ? bag.tile_level0 : 0;
        bag.read_um = one->mpp[0] > 0 && one->mpp[1] > 0 ? bag.read_um : NULL;
    }
    bag.read_coords = bag.coords_width > 0 ? read_member_coords : NULL;
    return bag;
}

static double combine(const members *m, mt_patient_rule rule, int64_t c, int *counted)
{
    double value = rule == MT_PATIENT_NOISY_OR ? 1 : 0;

    *counted = 0;
    for (int i = 0; i < m->n; i++) {
        double score = m->list[i].scores != NULL ? m->list[i].scores[c] : (double)NAN;
        if (isnan(score))
            continue;
        ++*counted;
        value = rule == MT_PATIENT_MAX ? fmax(value, score) : rule == MT_PATIENT_MEAN ? value + score : value * (1 - score);
    }
    if (rule == MT_PATIENT_MEAN && *counted > 0)
        value /= *counted;
    return rule == MT_PATIENT_NOISY_OR ? 1 - value : value;
}

static int positive_class(const mt_head_card *card)
{
    for (int c = 0; card->positive != NULL && card->labels[c] != NULL; c++)
        if (strcmp(card->labels[c], card->positive) == 0)
            return c;
    return -1;
}

static mt_head_output *combine_scores(const mt_scorer *scorer, const members *m, mt_patient_rule rule, GError **error)
{
    const mt_head_card *card = &scorer->card;
    bool                exclusive = card->activation != MT_ACTIVATION_SIGMOID && rule != MT_PATIENT_MEAN;
    int                 positive = positive_class(card), counted = 0;

    if (exclusive && (m->n_classes != 2 || positive < 0)) {
        g_set_error(error, MT_ERROR, MT_ERROR_USAGE,
                    "combine scores by %s: its classes exclude each other, and that needs two with one of them positive: use mean or bag",
                    rules[rule]);
        return NULL;
    }
    g_autoptr(mt_head_output) output = g_new0(mt_head_output, 1);
    output->n_classes = m->n_classes;
    output->scores = mt_alloc(m->n_classes, sizeof(float), error);
    output->logits = output->scores != NULL ? mt_alloc(m->n_classes, sizeof(float), error) : NULL;
    for (int64_t c = 0; output->logits != NULL && c < m->n_classes; c++) {
        double p = combine(m, rule, exclusive ? positive : c, &counted);
        p = exclusive && c != positive ? 1 - p : p;
        double inside = CLAMP(p, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY);
        output->scores[c] = (float)p;
        output->logits[c] = (float)(card->activation == MT_ACTIVATION_SIGMOID ? log(inside / (1 - inside)) : log(inside));
    }
    return output->logits != NULL ? g_steal_pointer(&output) : NULL;
}

/* NULL without an error: there is nothing to score. */
static mt_head_output *predict(const mt_scorer *scorer, members *m, mt_patient_rule rule, GError **error)
{
    mt_bag bag = bag_of(m);
    bool   scored = false;

    for (int i = 0; i < m->n; i++)
        scored |= m->list[i].scores != NULL;
    if (rule == MT_PATIENT_BAG)
        return bag.n > 0 ? mt_head_predict(scorer->head, &bag, &scorer->options, error) : NULL;
    return scored ? combine_scores(scorer, m, rule, error) : NULL;
}

/* /cases, /case_offsets and, where each case has scores, /case_scores. */
static bool store_members(const members *m, mt_store *store, GError **error)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new();
    g_autofree int64_t *offsets = g_new0(int64_t, m->n + 1);
    g_autofree float   *scores = g_new(float, (gsize)(m->n * m->n_classes + 1));

    for (int i = 0; i < m->n; i++) {
        g_ptr_array_add(ids, m->list[i].headline->id);
        offsets[i + 1] = offsets[i] + m->list[i].file->n;
        for (int64_t c = 0; c < m->n_classes; c++)
            scores[i * m->n_classes + c] = m->list[i].scores != NULL ? m->list[i].scores[c] : NAN;
    }
    g_autoptr(mt_tensor) starts = mt_tensor_new_view(MT_I64, 1, (int64_t[]){m->n + 1}, offsets, NULL);
    g_autoptr(mt_tensor) table = mt_tensor_new_view(MT_F32, 2, (int64_t[]){m->n, m->n_classes}, scores, NULL);
    return mt_store_write_strings(store, MT_OBJECT_CASES, (const char *const *)ids->pdata, m->n, error) &&
           mt_store_write(store, MT_OBJECT_CASE_OFFSETS, starts, error) &&
           (m->n_classes == 0 || mt_store_write(store, MT_OBJECT_CASE_SCORES, table, error)) &&
           mt_schema_write_valid(store, m->valid, m->tiles, error);
}

static bool publish(const mt_scorer *scorer, mt_patient_rule rule, const mt_patient *patient, members *m, const mt_head_output *output,
                    const char *target, GError **error)
{
    g_autoptr(mt_recipe) defaults = mt_recipe_new();
    g_autofree char       *sha256 = mt_aggregate_patient_sha256(scorer, rule, patient, error);
    const mt_feature_file *first = m->n > 0 ? m->list[0].file : NULL;
    mt_prediction_facts    tiles = {.tiles = m->tiles,
                                    .invalid_tiles = m->invalid,
                                    .incomplete = m->degraded,
                                    .identity = sha256,
                                    .language = mt_language_of(scorer->language),
                                    .tissue_mm2 = m->tissue_mm2,
                                    .degraded_invalid = defaults->degraded_invalid,
                                    .withheld_invalid = defaults->withheld_invalid};
    mt_aggregate_facts     facts = {.id = patient->id,
                                    .input_sha256 = sha256,
                                    .encoder = first != NULL ? first->encoder : NULL,
                                    .encoder_sha256 = first != NULL ? first->encoder_sha256 : NULL,
                                    .precision = first != NULL ? first->precision : NULL,
                                    .tissue_mm2 = m->n > 0 ? m->tissue_mm2 : -1,
                                    .rule = rules[rule],
                                    .demonstration = m->demonstration || scorer->card.demonstration,
                                    .off_contract = m->degraded};
    g_autoptr(mt_prediction) prediction = sha256 != NULL ? mt_prediction_new(output, &scorer->card, &tiles, error) : NULL;
    g_autoptr(mt_store) store = prediction != NULL ? mt_store_create(target, error) : NULL;

    if (store == NULL || !store_members(m, store, error))
        return false;
    if (m->left_out->len > 0) {
        g_autofree char *before = prediction->reason,
                        *without = mt_message_text(MT_MESSAGE_WITHOUT, m->language, "cases", m->left_out->str, NULL);
        prediction->reason = g_strconcat(without, before != NULL ? "; " : NULL, before, NULL);
    }
    return mt_aggregate_publish(scorer, &facts, prediction, output, m->valid, store, error);
}

bool mt_aggregate_patient(const mt_scorer *scorer, mt_patient_rule rule, const mt_patient *patient, const char *target, GError **error)
{
    g_auto(members) m = {0};
    g_autoptr(GError) cause = NULL;

    if (!open_members(&m, scorer, patient, error))
        return false;
    g_autoptr(mt_head_output) output = predict(scorer, &m, rule, &cause);
    if (cause != NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    return publish(scorer, rule, patient, &m, output, target, error);
}
