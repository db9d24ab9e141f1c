/* The numbers of findings over a cohort in which a case may be there several times: one pass over the ranked findings each. */
#include "src/evaluate/finding_hits.h"
#include "src/evaluate/proportion.h"

#include <math.h>
#include <string.h>

#define LEVEL 0.95
#define POISSON_NONE 3.688879454113936 /* -ln 0.025: the upper end of a count of which none was seen */
#define NO_LESION "there is no lesion"

/* A finding and its case's weight. */
static const mt_detection *at_place(const mt_ranking *r, int64_t place)
{
    return &g_array_index(r->detections, mt_detection, r->rows[place]);
}

static bool ends_score(const mt_ranking *r, int64_t place)
{
    return place + 1 == (int64_t)r->detections->len || at_place(r, place + 1)->score != at_place(r, place)->score;
}

/* As mt_detection_precision, each finding counted as often as its case is there. */
static mt_estimate average_precision(const mt_ranking *r, const int64_t *times, double lesions)
{
    int64_t            n = r->detections->len, groups = 0;
    g_autofree double *all = g_new(double, n + 1), *found = g_new(double, n + 1);
    double             seen = 0, finds = 0, best = 0, area = 0;

    if (!(lesions > 0))
        return (mt_estimate){.defined = false};
    for (int64_t i = 0; i < n; i++) {
        double weight = (double)times[at_place(r, i)->image];
        seen += weight;
        finds += r->hits[i] == MT_HIT_FIRST ? weight : 0;
        if (ends_score(r, i)) {
            all[groups] = seen;
            found[groups++] = finds;
        }
    }
    for (int64_t g = groups - 1; g >= 0; g--) {
        best = all[g] > 0 ? fmax(best, found[g] / all[g]) : best;
        area += best * (found[g] - (g > 0 ? found[g - 1] : 0)) / lesions;
    }
    return mt_estimate_point(area);
}

/* As mt_froc_curve, with weights; and what is called at the threshold. */
typedef struct pass {
    mt_curve curve;
    double   found, wrong; /* at the threshold and above */
} pass;

static void walk(const mt_ranking *r, const int64_t *times, double images, double lesions, double threshold, pass *p)
{
    double found = 0, wrong = 0;

    p->curve.x[0] = p->curve.y[0] = 0;
    p->curve.n = 1;
    for (int64_t i = 0; i < (int64_t)r->detections->len; i++) {
        const mt_detection *d = at_place(r, i);
        double              weight = (double)times[d->image];
        found += r->hits[i] == MT_HIT_FIRST ? weight : 0;
        wrong += r->hits[i] == MT_HIT_FALSE ? weight : 0;
        if (isnan(threshold) || d->score >= threshold) {
            p->found = found;
            p->wrong = wrong;
        }
        if (ends_score(r, i)) {
            p->curve.x[p->curve.n] = wrong / images;
            p->curve.y[p->curve.n++] = found / lesions;
        }
    }
    if (!(lesions > 0))
        p->curve.n = 0;
}

void mt_finding_measure(const void *cohort, const int64_t *times, mt_estimate *numbers)
{
    const mt_place_evaluation *e = cohort;
    const struct mt_hits      *h = e->hits;
    g_autofree double         *x = g_new(double, h->by_place.detections->len + 2), *y = g_new(double, h->by_place.detections->len + 2);
    pass                       p = {.curve = {.x = x, .y = y}};
    double                     images = 0, lesions = 0;
    int                        at = 0;

    for (guint i = 0; i < e->cases->len; i++) {
        images += (double)times[i];
        lesions += (double)times[i] * (double)h->lesions_of[i];
    }
    walk(&h->by_place, times, images, lesions, e->threshold, &p);
    const mt_froc froc = mt_froc_scores(&p.curve);
    numbers[at++] = mt_estimate_ratio(p.found, lesions);
    numbers[at++] = mt_estimate_ratio(p.wrong, images);
    for (int i = 0; i < MT_FROC_RATES; i++)
        numbers[at++] = froc.sensitivity[i];
    numbers[at++] = froc.mean;
    numbers[at++] = froc.camelyon16;
    for (int k = 0; k < h->n_ious; k++)
        numbers[at++] = h->boxed ? average_precision(&h->by_iou[k], times, lesions) : (mt_estimate){.defined = false};
}

void mt_finding_metrics(mt_place_evaluation *e)
{
    char share[G_ASCII_DTOSTR_BUF_SIZE];

    mt_place_add_metric(e, g_strdup("lesion_sensitivity"), NO_LESION);
    mt_place_add_metric(e, g_strdup("false_positives_per_scan"), "there is no case");
    for (int i = 0; i < MT_FROC_RATES; i++)
        mt_place_add_metric(e, g_strdup_printf("froc_%s", g_ascii_formatd(share, sizeof share, "%g", mt_froc_rates[i])), NO_LESION);
    mt_place_add_metric(e, g_strdup("froc_mean"), NO_LESION);
    mt_place_add_metric(e, g_strdup("camelyon16"), NO_LESION);
    for (int k = 0; k < e->hits->n_ious; k++)
        mt_place_add_metric(e, g_strdup_printf("average_precision_%s", g_ascii_formatd(share, sizeof share, "%g", e->hits->ious[k])),
                            e->hits->boxed ? NO_LESION : "some findings or lesions are points: boxes, outlines or radii are wanted");
}

/* What no draw changes has no spread to be seen: all found, none found, nothing false.  Then by as many patients as there are. */
static bool widen(mt_metric *m, int64_t patients, GError **error)
{
    mt_estimate *e = &m->estimate, share;
    bool         rate = strcmp(m->name, "false_positives_per_scan") == 0;

    if (!e->defined || e->interval == NULL || e->low < e->high || (rate ? e->value != 0 : e->value != 0 && e->value != 1))
        return true;
    if (rate) {
        *e = mt_estimate_between(0, 0, POISSON_NONE / (double)patients, "Poisson, by patients");
        return true;
    }
    if (!mt_proportion(e->value == 1 ? patients : 0, patients, LEVEL, MT_PROPORTION_WILSON, &share, error))
        return false;
    *e = mt_estimate_between(e->value, share.low, share.high, "Wilson, by patients");
    return true;
}

/* Patients, and those of them with a lesion: the others say nothing of what is found. */
static void count_patients(const mt_place_evaluation *e, int64_t *all, int64_t *with_lesion)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal), with = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < e->cases->len; i++) {
        char *patient = ((const mt_place_case *)e->cases->pdata[i])->patient;
        g_hash_table_add(seen, patient);
        if (e->hits->lesions_of[i] > 0)
            g_hash_table_add(with, patient);
    }
    *all = g_hash_table_size(seen);
    *with_lesion = g_hash_table_size(with);
}

bool mt_place_widen_findings(mt_place_evaluation *e, GError **error)
{
    int64_t patients, with_lesion;

    count_patients(e, &patients, &with_lesion);
    for (guint i = 0; i < e->metrics->len; i++) {
        mt_metric *m = &g_array_index(e->metrics, mt_metric, i);
        if (!widen(m, strcmp(m->name, "false_positives_per_scan") == 0 ? patients : with_lesion, error))
            return false;
    }
    return mt_finding_curve(e, error);
}

bool mt_finding_curve(mt_place_evaluation *e, GError **error)
{
    const GArray *detections = e->hits->by_place.detections;

    return mt_froc_curve((const mt_detection *)(const void *)detections->data, detections->len, e->hits->lesions_of, e->cases->len,
                         &e->froc, error);
}
