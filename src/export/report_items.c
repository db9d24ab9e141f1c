/* A result as items of a message. */
#include "src/export/report_items.h"

#include "src/base/decimal.h"
#include "src/base/refuse.h"
#include "src/result/finding_sentence.h"
#include "src/store/schema.h"

#include <microtome/impression.h>

#include <math.h>
#include <string.h>

#define MOST_FINDINGS 50

typedef struct builder {
    const mt_handover_case *c;
    GArray                 *items;
    mt_language             language;
} builder;

/* Characters that HL7 and codes do not take become underlines. */
static char *key_of(const char *group, const char *name)
{
    char *key = name != NULL ? g_strconcat(group, ".", name, NULL) : g_strdup(group);

    for (char *c = key; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && strchr(".-_", *c) == NULL)
            *c = '_';
    return key;
}

static void add_text(builder *b, const char *key, const char *name, char *text)
{
    mt_report_item item = {.key = g_strdup(key), .name = g_strdup(name), .text = text, .value = NAN, .threshold = NAN};

    g_array_append_val(b->items, item);
}

static void add_number(builder *b, char *key, char *name, double value, const char *unit, double threshold)
{
    mt_report_item item = {.key = key, .name = name, .value = value, .unit = g_strdup(*unit != '\0' ? unit : "1"), .threshold = threshold};

    g_array_append_val(b->items, item);
}

/* Every label's score; what a folder or a control withholds has none. */
static void add_scores(builder *b)
{
    const mt_result   *result = b->c->result;
    const mt_headline *h = b->c->headline;

    if (!mt_result_has(result, MT_OBJECT_SCORES) || g_strcmp0(h->status, "withheld") == 0)
        return;
    g_auto(GStrv) labels = mt_result_attr_strings(result, MT_OBJECT_SCORES, MT_ATTR_LABELS);
    g_autoptr(mt_tensor) scores = mt_result_read(result, MT_OBJECT_SCORES, NULL);
    int                n = labels != NULL ? (int)g_strv_length(labels) : 0;
    g_autofree double *thresholds = g_new(double, (gsize)n + 1);
    if (scores == NULL || scores->dtype != MT_F32 || mt_tensor_count(scores) != n)
        return;
    bool         each = n > 0 && mt_result_attr(result, MT_OBJECT_SCORES, "thresholds", thresholds, n);
    const float *s = scores->data;
    for (int i = 0; i < n; i++) {
        double own = g_strcmp0(h->positive, labels[i]) == 0 ? h->threshold : NAN;
        if (isfinite(s[i]))
            add_number(b, key_of("score", labels[i]), g_strdup_printf("score of %s", labels[i]), mt_decimal_of_float(s[i]), "1",
                       each ? thresholds[i] : own);
    }
}

static bool add_findings(builder *b, GError **error)
{
    g_autoptr(mt_finding_list) list = mt_finding_list_read(b->c->result, error);

    if (list == NULL)
        return false;
    g_autofree const mt_finding **order = mt_finding_order(list);
    for (int i = 0; i < MIN(list->n_findings, MOST_FINDINGS); i++) {
        g_autofree char *key = g_strdup_printf("finding.%d", i + 1), *name = g_strdup_printf("finding %d", i + 1);
        add_text(b, key, name, mt_finding_sentence(order[i], b->language));
    }
    if (list->n_findings > MOST_FINDINGS)
        add_text(b, "finding.more", "further findings", g_strdup_printf("%d", list->n_findings - MOST_FINDINGS));
    for (int i = 0; i < list->n_values; i++) {
        const mt_finding_value *v = &list->values[i];
        if (isfinite(v->value))
            add_number(b, key_of("measure", v->name), mt_value_name(v), v->value, v->unit, NAN);
    }
    for (int i = 0; list->actions[i] != NULL; i++) {
        g_autofree char *key = g_strdup_printf("action.%d", i + 1), *name = g_strdup_printf("action %d", i + 1);
        add_text(b, key, name, g_strdup(list->actions[i]));
    }
    return true;
}

bool mt_report_check_patient(const mt_handover_case *c, GError **error)
{
    const char *number = c->identity->patient_id;

    return (number != NULL && *number != '\0') || mt_refuse(error, MT_ERROR_INPUT, "its source has no patient number (PatientID)");
}

mt_report_items *mt_report_items_new(const mt_handover_case *c, GError **error)
{
    g_autoptr(mt_report_items) report = g_new0(mt_report_items, 1);
    builder b = {.c = c, .items = g_array_new(FALSE, FALSE, sizeof(mt_report_item)), .language = mt_language_of(c->language)};
    g_autoptr(mt_impression) impression = mt_impression_new(c->result, &(mt_impression_params){.language = c->language}, error);

    add_text(&b, "decision", "decision", g_strdup(c->headline->decision != NULL ? c->headline->decision : "none"));
    add_text(&b, "status", "status of the result", g_strdup(c->headline->status != NULL ? c->headline->status : "unknown"));
    add_scores(&b);
    bool ok = impression != NULL && add_findings(&b, error);
    report->n = (int)b.items->len;
    report->items = (mt_report_item *)(void *)g_array_free(b.items, FALSE);
    if (!ok)
        return NULL;
    report->words = mt_impression_text(impression);
    report->research = mt_message_text(MT_MESSAGE_REPORT_RESEARCH, b.language, NULL);
    report->pathology = mt_result_has(c->result, MT_OBJECT_BOUNDS);
    return g_steal_pointer(&report);
}

void mt_report_items_free(mt_report_items *report)
{
    if (report == NULL)
        return;
    for (int i = 0; i < report->n; i++) {
        g_free(report->items[i].key);
        g_free(report->items[i].name);
        g_free(report->items[i].text);
        g_free(report->items[i].unit);
    }
    g_free(report->items);
    g_free(report->words);
    g_free(report->research);
    g_free(report);
}
