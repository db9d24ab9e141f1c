#include <microtome/findings.h>
#include <microtome/impression.h>

#include "src/base/decimal.h"
#include "src/result/finding_sentence.h"
#include "src/result/headline.h"
#include "src/result/impression_regions.h"
#include "src/result/reason.h"
#include "src/store/schema.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_OBJECTS 10
#define MICROSCOPE_UM 20 /* px above are no slide's, whose foreground is no tissue */
#define MOST_LABELS 3    /* whose regions are told */

typedef struct writer {
    const mt_result            *result;
    const mt_impression_params *params;
    mt_language                 language;
    mt_headline                *headline;
    GPtrArray                  *sentences[MT_QUESTIONS];
} writer;

static void say(writer *w, mt_question question, char *sentence)
{
    if (sentence != NULL)
        g_ptr_array_add(w->sentences[question], sentence);
}

/* The stored reasons, each where its question is; of a result that has them in one language alone, in that. */
static void say_reasons(writer *w)
{
    static const mt_question questions[MT_REASON_KINDS] = {MT_QUESTION_WHAT, MT_QUESTION_WHERE, MT_QUESTION_SURE, MT_QUESTION_LIMIT,
                                                           MT_QUESTION_LIMIT};
    const char              *object = MT_OBJECT_REASONS;

    if (!mt_result_has(w->result, object))
        return;
    g_auto(GStrv) texts = mt_result_attr_strings(w->result, object, mt_language_name(w->language)),
                  kinds = mt_result_attr_strings(w->result, object, "kinds");
    if (texts == NULL)
        texts = mt_result_read_strings(w->result, object, NULL);
    bool told = kinds != NULL && texts != NULL && g_strv_length(kinds) == g_strv_length(texts);
    for (int i = 0; texts != NULL && texts[i] != NULL; i++) {
        mt_question question = MT_QUESTION_WHAT;
        for (int k = 0; told && k < MT_REASON_KINDS; k++)
            if (strcmp(kinds[i], mt_reason_kind_name((mt_reason_kind)k)) == 0)
                question = questions[k];
        say(w, question, g_strdup(texts[i]));
    }
}

/* Labels with thresholds of their own: those that reach them, and the others by name; without, the first. */
static void say_labels(writer *w)
{
    const mt_headline *h = w->headline;
    g_auto(GStrv) labels =
        mt_result_has(w->result, MT_OBJECT_SCORES) ? mt_result_attr_strings(w->result, MT_OBJECT_SCORES, MT_ATTR_LABELS) : NULL;
    g_autoptr(mt_tensor) scores = labels != NULL ? mt_result_read(w->result, MT_OBJECT_SCORES, NULL) : NULL;
    int                n = labels != NULL ? (int)g_strv_length(labels) : 0, best = 0;
    g_autofree double *thresholds = g_new(double, (gsize)n + 1);

    if (scores == NULL || scores->dtype != MT_F32 || mt_tensor_count(scores) != n || n == 0)
        return;
    const float *s = scores->data;
    bool         each = mt_result_attr(w->result, MT_OBJECT_SCORES, "thresholds", thresholds, n);
    g_autoptr(GString) others = g_string_new(NULL);
    for (int i = 0; i < n; i++) {
        g_autofree char *score = mt_number_words((double)s[i], 2);
        best = s[i] > s[best] ? i : best;
        if (each && (double)s[i] >= thresholds[i]) {
            g_autofree char *threshold = mt_number_words(thresholds[i], 2);
            say(w, MT_QUESTION_WHAT,
                mt_message_text(MT_MESSAGE_LABEL_FOUND, w->language, "label", labels[i], "score", score, "threshold", threshold, NULL));
        } else if (each && isfinite(thresholds[i]))
            g_string_append_printf(others, "%s%s %s", others->len > 0 ? ", " : "", labels[i], score);
    }
    if (others->len > 0)
        say(w, MT_QUESTION_WHAT, mt_message_text(MT_MESSAGE_LABEL_NOT_FOUND, w->language, "labels", others->str, NULL));
    if (each || isfinite(h->threshold) || n < 2)
        return;
    g_autofree char *score = mt_number_words((double)s[best], 2);
    say(w, MT_QUESTION_WHAT, mt_message_text(MT_MESSAGE_LABEL_FIRST, w->language, "label", labels[best], "score", score, NULL));
}

static void say_extent(writer *w, const mt_finding *f)
{
    bool             volume = isfinite(f->volume_mm3);
    g_autofree char *across = mt_length_words(f->longest_mm), *wide = mt_length_words(f->perpendicular_mm),
                    *extent = mt_extent_words(volume ? f->volume_mm3 : f->area_mm2, volume ? "mm3" : "mm2");
    g_autoptr(GString) size = g_string_new(across);

    if (across != NULL && wide != NULL)
        g_string_append_printf(size, " x %s", wide);
    if (extent != NULL)
        g_string_append_printf(size, "%s%s", size->len > 0 ? ", " : "", extent);
    if (size->len > 0)
        say(w, MT_QUESTION_SIZE, mt_message_text(MT_MESSAGE_SIZE_OBJECT, w->language, "class", f->label, "size", size->str, NULL));
}

static bool say_findings(writer *w, GError **error)
{
    g_autoptr(mt_finding_list) list = mt_finding_list_read(w->result, error);

    if (list == NULL)
        return false;
    g_autofree const mt_finding **order = mt_finding_order(list);
    for (int i = 0; i < MIN(list->n_findings, MOST_OBJECTS); i++) {
        say(w, MT_QUESTION_WHAT, mt_finding_sentence(order[i], w->language));
        say_extent(w, order[i]);
    }
    if (list->n_findings > MOST_OBJECTS) {
        g_autofree char *count = g_strdup_printf("%d", list->n_findings - MOST_OBJECTS);
        say(w, MT_QUESTION_WHAT, mt_message_text(MT_MESSAGE_MORE_OBJECTS, w->language, "count", count, NULL));
    }
    if (list->n_findings == 0 && mt_result_has(w->result, MT_OBJECT_OBJECTS))
        say(w, MT_QUESTION_WHAT, mt_message_text(MT_MESSAGE_NOTHING_FOUND, w->language, NULL));
    for (int i = 0; i < list->n_values; i++)
        say(w, g_str_has_prefix(list->values[i].rule, "score(") ? MT_QUESTION_WHAT : MT_QUESTION_SIZE,
            mt_value_sentence(&list->values[i], w->language));
    return true;
}

static bool asks_for_reading(const mt_headline *h)
{
    return h->decision != NULL && (strcmp(h->decision, "review") == 0 || strcmp(h->decision, "urgent") == 0);
}

/* Regions of what the case is read for: the positive label, else the labels that reach their own thresholds. */
static bool say_regions(writer *w, GError **error)
{
    const mt_headline *h = w->headline;
    bool               drawable = mt_result_has(w->result, MT_OBJECT_COORDS) &&
                    (mt_result_has(w->result, MT_OBJECT_ATTENTION) || mt_result_has(w->result, MT_OBJECT_TILE_SCORES));
    g_autofree char *explained =
        mt_result_has(w->result, MT_OBJECT_EXPLANATION) ? mt_result_attr_string(w->result, MT_OBJECT_EXPLANATION, "label") : NULL;

    if (!drawable || mt_result_has(w->result, MT_OBJECT_OBJECTS))
        return true;
    if (asks_for_reading(h) && (explained == NULL || g_strcmp0(explained, h->positive) == 0))
        return mt_impression_regions(w->result, h->positive, w->language, w->sentences[MT_QUESTION_WHERE], error);
    g_autofree char *found =
        mt_result_has(w->result, MT_OBJECT_SCORES) ? mt_result_attr_string(w->result, MT_OBJECT_SCORES, "found") : NULL;
    g_auto(GStrv) labels = g_strsplit(found != NULL ? found : "", ";", -1);
    for (int i = 0; i < MOST_LABELS && labels[i] != NULL && *labels[i] != '\0'; i++)
        if ((explained == NULL || strcmp(explained, labels[i]) == 0) &&
            !mt_impression_regions(w->result, labels[i], w->language, w->sentences[MT_QUESTION_WHERE], error))
            return false;
    return true;
}

/* How far it is to the next decision. */
static void say_margin(writer *w)
{
    const mt_headline *h = w->headline;
    double             high = 0, threshold = h->threshold;
    bool               ok = g_strcmp0(h->status, "ok") == 0;
    mt_message         message = ok ? MT_MESSAGE_CHANGE_CLEAR : MT_MESSAGE_CHANGE_NO_REVIEW;

    if (!isfinite(h->score) || !isfinite(h->threshold) || h->positive == NULL || h->decision == NULL)
        return;
    if (strcmp(h->decision, "urgent") == 0) {
        if (!mt_result_attr(w->result, MT_OBJECT_REASONS, "threshold_high", &high, 1))
            return;
        threshold = high;
        message = MT_MESSAGE_CHANGE_NOT_URGENT;
    } else if (h->score < h->threshold)
        message = MT_MESSAGE_CHANGE_REVIEW;
    char margin[G_ASCII_DTOSTR_BUF_SIZE], at[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(margin, sizeof margin, "%.2g", fabs(h->score - threshold));
    g_ascii_formatd(at, sizeof at, "%.4g", threshold);
    say(w, MT_QUESTION_CHANGE, mt_message_text(message, w->language, "label", h->positive, "threshold", at, "margin", margin, NULL));
}

/* Numbers of a column of /explanation; NULL: it is damaged. */
static mt_tensor *read_column(const writer *w, const char *column, mt_dtype dtype, int64_t n)
{
    g_autofree char *object = g_strconcat(MT_OBJECT_WITHOUT, "/", column, NULL);
    g_autoptr(mt_tensor) tensor = mt_result_has(w->result, object) ? mt_result_read(w->result, object, NULL) : NULL;

    return tensor != NULL && tensor->dtype == dtype && mt_tensor_count(tensor) == n ? g_steal_pointer(&tensor) : NULL;
}

/* Scores of the case without some of it, as they were computed. */
static void say_removals(writer *w)
{
    const char *object = MT_OBJECT_WITHOUT "/score";
    g_auto(GStrv) what = mt_result_has(w->result, object) ? mt_result_read_strings(w->result, MT_OBJECT_WITHOUT "/what", NULL) : NULL;
    int64_t          n = what != NULL ? (int64_t)g_strv_length(what) : 0;
    g_autofree char *label = n > 0 ? mt_result_attr_string(w->result, object, "label") : NULL;
    g_autoptr(mt_tensor) score = n > 0 ? read_column(w, "score", MT_F64, n) : NULL, removed = NULL, of = NULL, box = NULL;
    double before = NAN;

    removed = score != NULL ? read_column(w, "removed", MT_I64, n) : NULL;
    of = removed != NULL ? read_column(w, "of", MT_I64, n) : NULL;
    box = of != NULL ? read_column(w, "box", MT_I64, 4 * n) : NULL;
    if (box == NULL || label == NULL || !mt_result_attr(w->result, object, "before", &before, 1))
        return;
    for (int64_t i = 0; i < n; i++) {
        const int64_t   *b = (const int64_t *)box->data + 4 * i;
        int64_t          tiles = ((const int64_t *)of->data)[i], taken = ((const int64_t *)removed->data)[i];
        g_autofree char *count = g_strdup_printf("%" G_GINT64_FORMAT, taken), *all = g_strdup_printf("%" G_GINT64_FORMAT, tiles),
                        *then = mt_number_words(((const double *)score->data)[i], 2), *now = mt_number_words(before, 2),
                        *place =
                            g_strdup_printf("x %" G_GINT64_FORMAT "-%" G_GINT64_FORMAT ", y %" G_GINT64_FORMAT "-%" G_GINT64_FORMAT " px",
                                            b[0], b[0] + b[2], b[1], b[1] + b[3]);
        mt_message message = strcmp(what[i], "tiles") == 0 ? MT_MESSAGE_REMOVED_TILES
                             : tiles == 1                  ? MT_MESSAGE_REMOVED_PART
                                                           : MT_MESSAGE_REMOVED_PARTS;
        say(w, MT_QUESTION_CHANGE,
            mt_message_text(message, w->language, "count", count, "of", all, "label", label, "score", then, "before", now, "place", place,
                            NULL));
    }
}

static void say_changes(writer *w)
{
    g_autofree char *name = g_strconcat("changes_", mt_language_name(w->language), NULL);
    g_auto(GStrv) changes = mt_result_has(w->result, MT_OBJECT_ACTIONS) ? mt_result_attr_strings(w->result, MT_OBJECT_ACTIONS, name) : NULL;

    say_margin(w);
    say_removals(w);
    for (char **change = changes; change != NULL && *change != NULL; change++)
        say(w, MT_QUESTION_CHANGE, g_strdup(*change));
}

static void say_next(writer *w)
{
    const mt_headline *h = w->headline;
    g_auto(GStrv) actions = NULL;

    if (mt_result_has(w->result, MT_OBJECT_ACTIONS)) {
        actions = mt_result_attr_strings(w->result, MT_OBJECT_ACTIONS, mt_language_name(w->language));
        if (actions == NULL)
            actions = mt_result_read_strings(w->result, MT_OBJECT_ACTIONS, NULL);
    }
    for (char **action = actions; action != NULL && *action != NULL; action++)
        say(w, MT_QUESTION_NEXT, g_strdup(*action));
    if (asks_for_reading(h))
        say(w, MT_QUESTION_NEXT,
            mt_message_text(strcmp(h->decision, "urgent") == 0 ? MT_MESSAGE_NEXT_URGENT : MT_MESSAGE_NEXT_REVIEW, w->language, NULL));
    else if (h->audit)
        say(w, MT_QUESTION_NEXT, mt_message_text(MT_MESSAGE_NEXT_AUDIT, w->language, NULL));
    if (g_strcmp0(h->status, "insufficient") == 0 || g_strcmp0(h->status, "withheld") == 0 || g_strcmp0(h->status, "degraded") == 0)
        say(w, MT_QUESTION_NEXT, mt_message_text(MT_MESSAGE_NEXT_AGAIN, w->language, NULL));
}

static void say_like(writer *w)
{
    const mt_search *search = w->params->like;

    for (int i = 0; search != NULL && i < search->n_hits; i++) {
        const mt_search_hit *hit = &search->hits[i];
        g_autofree char     *line = hit->withheld == NULL ? mt_result_headline(hit->path, NULL) : NULL,
                        *likeness = mt_number_words(hit->score, 2);
        g_autoptr(mt_headline) h = line != NULL ? mt_headline_parse(line, hit->path, NULL) : NULL;
        bool             scored = h != NULL && h->positive != NULL && isfinite(h->score);
        g_autofree char *score = scored ? mt_number_words(h->score, 2) : NULL;
        say(w, MT_QUESTION_LIKE,
            scored ? mt_message_text(MT_MESSAGE_LIKE_SCORE, w->language, "id", hit->id, "likeness", likeness, "label", h->positive, "score",
                                     score, NULL)
                   : mt_message_text(MT_MESSAGE_LIKE, w->language, "id", hit->id, "likeness", likeness, NULL));
    }
}

static bool say_all(writer *w, GError **error)
{
    if (w->params->withheld != NULL) {
        say(w, MT_QUESTION_WHAT, mt_message_text(MT_MESSAGE_SCORE_WITHHELD, w->language, "why", w->params->withheld, NULL));
        say(w, MT_QUESTION_NEXT, mt_message_text(MT_MESSAGE_NEXT_AGAIN, w->language, NULL));
        return true;
    }
    say_reasons(w);
    say_labels(w);
    if (!say_findings(w, error) || !say_regions(w, error))
        return false;
    g_autofree char *tissue = w->headline->tissue_mm2 > 0 && w->headline->mpp_x > 0 && w->headline->mpp_x < MICROSCOPE_UM
                                  ? mt_extent_words(w->headline->tissue_mm2, "mm2")
                                  : NULL;
    if (tissue != NULL)
        say(w, MT_QUESTION_SIZE, mt_message_text(MT_MESSAGE_SIZE_TISSUE, w->language, "area", tissue, NULL));
    say_changes(w);
    say_next(w);
    say_like(w);
    return true;
}

mt_impression *mt_impression_new(const mt_result *result, const mt_impression_params *params, GError **error)
{
    static const mt_impression_params none = {0};
    g_autofree char                  *line = mt_result_headline(mt_result_path(result), error);
    g_autoptr(mt_headline) headline = line != NULL ? mt_headline_parse(line, mt_result_path(result), error) : NULL;
    writer w = {.result = result, .params = params != NULL ? params : &none, .headline = headline};

    if (headline == NULL)
        return NULL;
    w.language = mt_language_of(w.params->language);
    for (int q = 0; q < MT_QUESTIONS; q++)
        w.sentences[q] = g_ptr_array_new_with_free_func(g_free);
    bool           ok = say_all(&w, error);
    mt_impression *impression = ok ? g_new0(mt_impression, 1) : NULL;
    if (ok) {
        impression->id = g_strdup(headline->id);
        impression->language = g_strdup(mt_language_name(w.language));
    }
    for (int q = 0; q < MT_QUESTIONS; q++) {
        g_ptr_array_add(w.sentences[q], NULL);
        if (ok)
            impression->sentences[q] = (char **)g_ptr_array_steal(w.sentences[q], NULL);
        g_ptr_array_unref(w.sentences[q]);
    }
    return impression;
}

void mt_impression_free(mt_impression *impression)
{
    if (impression == NULL)
        return;
    for (int q = 0; q < MT_QUESTIONS; q++)
        g_strfreev(impression->sentences[q]);
    g_free(impression->id);
    g_free(impression->language);
    g_free(impression);
}

const char *mt_question_name(mt_question question)
{
    static const char *const names[MT_QUESTIONS] = {"what", "where", "size", "sure", "limit", "change", "next", "like"};

    return names[question];
}

const char *mt_question_heading(mt_question question, const char *language)
{
    return mt_message_template((mt_message)(MT_MESSAGE_ASK_WHAT + (int)question), mt_language_of(language));
}

char *mt_impression_text(const mt_impression *impression)
{
    GString *text = g_string_new(impression->id);

    g_string_append_c(text, '\n');
    for (int q = 0; q < MT_QUESTIONS; q++) {
        if (impression->sentences[q][0] == NULL)
            continue;
        g_string_append_printf(text, "\n%s\n", mt_question_heading((mt_question)q, impression->language));
        for (char **sentence = impression->sentences[q]; *sentence != NULL; sentence++)
            g_string_append_printf(text, "  %s\n", *sentence);
    }
    g_string_append_printf(text, "\n%s\n", mt_message_template(MT_MESSAGE_REPORT_RESEARCH, mt_language_of(impression->language)));
    return g_string_free(text, FALSE);
}

char *mt_impression_json(const mt_impression *impression)
{
    json_t *object = json_pack("{s:s, s:s}", "id", impression->id, "language", impression->language);

    for (int q = 0; q < MT_QUESTIONS; q++) {
        json_t *list = json_array();
        for (char **sentence = impression->sentences[q]; *sentence != NULL; sentence++)
            json_array_append_new(list, json_string(*sentence));
        json_object_set_new(object, mt_question_name((mt_question)q), list);
    }
    json_object_set_new(object, "intended_use",
                        json_string(mt_message_template(MT_MESSAGE_REPORT_RESEARCH, mt_language_of(impression->language))));
    char *text = json_dumps(object, JSON_INDENT(1)), *copy = g_strdup(text != NULL ? text : "{}");
    free(text);
    json_decref(object);
    return copy;
}
