#include "src/evaluate/delong.h"
#include "src/base/alloc.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/score_order.h"

#include <math.h>

/* What each case adds to the area: for a positive the share of negatives below it, for a negative the share of positives above it,
 * equals counting half.  Their variances, class by class, make that of the area. */
typedef struct placements {
    int64_t positives, negatives;
    double  area;
    double *value; /* of each row */
} placements;

static void placements_clear(placements *p)
{
    mt_free(p->value);
    p->value = NULL;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(placements, placements_clear)

static void fill_placements(placements *p, const mt_score_order *order, const double *scores, const int *truth)
{
    double  won = 0;
    int64_t positives_above = 0, negatives_above = 0;

    for (int64_t i = 0; i < order->n;) {
        int64_t end = i, positives = 0;

        for (; end < order->n && scores[order->rows[end]] == scores[order->rows[i]]; end++)
            positives += truth[order->rows[end]];
        int64_t negatives = end - i - positives;
        double  below = (double)(order->negatives - negatives_above - negatives) + 0.5 * (double)negatives;
        double  above = (double)positives_above + 0.5 * (double)positives;

        for (; i < end; i++)
            p->value[order->rows[i]] = truth[order->rows[i]] ? below / (double)order->negatives : above / (double)order->positives;
        won += (double)positives * below;
        positives_above += positives;
        negatives_above += negatives;
    }
    p->area = won / ((double)order->positives * (double)order->negatives);
}

/* value stays NULL without both classes. */
static bool placements_init(placements *p, const double *scores, const int *truth, int64_t n, GError **error)
{
    g_auto(mt_score_order) order = {0};

    *p = (placements){.area = 0};
    if (!mt_score_order_init(&order, "DeLong interval", scores, truth, n, error))
        return false;
    p->positives = order.positives;
    p->negatives = order.negatives;
    if (order.positives == 0 || order.negatives == 0)
        return true;
    p->value = mt_alloc(n, sizeof *p->value, error);
    if (p->value == NULL)
        return false;
    fill_placements(p, &order, scores, truth);
    return true;
}

/* Covariance of two areas; with the same twice its variance.  NaN (0 / 0) when a class has one case. */
static double covariance(const placements *a, const placements *b, const int *truth, int64_t n)
{
    double sums[2] = {0, 0};

    for (int64_t i = 0; i < n; i++)
        sums[truth[i]] += (a->value[i] - a->area) * (b->value[i] - b->area);
    if (a->positives < 2 || a->negatives < 2)
        return (double)NAN;
    return sums[1] / (double)(a->positives - 1) / (double)a->positives + sums[0] / (double)(a->negatives - 1) / (double)a->negatives;
}

static double newcombe_variance(double area, double positives, double negatives)
{
    double pairs = (positives + negatives) / 2 - 1;

    return area * (1 - area) * (1 + pairs * (1 - area) / (2 - area) + pairs * area / (1 + area)) / (positives * negatives);
}

/* What an interval is made of. */
typedef struct spread {
    double area, variance;
    double positives, negatives; /* independent ones, for Newcombe's */
    bool   by_patients;
} spread;

/* The end of the interval between `inside` (the area) and `end` (0 or 1): (area - A)^2 <= z^2 V(A) holds inside and fails beyond. */
static double newcombe_end(const spread *s, double z, double end)
{
    double inside = s->area, outside = end;

    if (inside == outside)
        return end;
    for (;;) {
        double middle = 0.5 * (inside + outside), gap = s->area - middle;

        if (middle == inside || middle == outside)
            return middle;
        if (gap * gap <= z * z * newcombe_variance(middle, s->positives, s->negatives))
            inside = middle;
        else
            outside = middle;
    }
}

static mt_estimate area_with_interval(const spread *s, double z, mt_roc_interval interval)
{
    double area = s->area, half = z * sqrt(s->variance);

    if (interval == MT_ROC_NEWCOMBE || area <= 0 || area >= 1)
        return mt_estimate_between(area, newcombe_end(s, z, 0), newcombe_end(s, z, 1),
                                   s->by_patients ? "Newcombe, by patients" : "Newcombe");
    if (!(s->variance > 0))
        return mt_estimate_point(area);
    if (interval == MT_ROC_LOGIT) {
        double centre = log(area / (1 - area)), reach = half / (area * (1 - area));

        return mt_estimate_between(area, 1 / (1 + exp(reach - centre)), 1 / (1 + exp(-reach - centre)),
                                   s->by_patients ? "DeLong, logit, by patients" : "DeLong, logit");
    }
    return mt_estimate_between(area, fmax(0, area - half), fmin(1, area + half), s->by_patients ? "DeLong, by patients" : "DeLong");
}

static mt_estimate area_of_rows(const placements *p, double variance, double z, mt_roc_interval interval)
{
    const spread s = {p->area, variance, (double)p->positives, (double)p->negatives, false};

    return area_with_interval(&s, z, interval);
}

bool mt_roc_delong(const double *scores, const int *truth, int64_t n, double level, mt_roc_interval interval, mt_estimate *area,
                   GError **error)
{
    g_auto(placements) p = {0};
    double z;

    *area = (mt_estimate){.defined = false};
    if (!mt_level_z(level, &z, error) || !placements_init(&p, scores, truth, n, error))
        return false;
    if (p.value != NULL)
        *area = area_of_rows(&p, covariance(&p, &p, truth, n), z, interval);
    return true;
}

/* Sums over patients of what their rows stray from the area: positives, negatives, and both of one patient. */
typedef struct patient_sums {
    double  patients[3]; /* with negatives, with positives, all */
    double  squares[2];  /* of negatives, of positives */
    double  products;
    double  stray[2]; /* of the patient at hand */
    int64_t rows[2];
} patient_sums;

static void close_patient(patient_sums *s)
{
    for (int kind = 0; kind < 2; kind++) {
        s->patients[kind] += s->rows[kind] > 0;
        s->squares[kind] += s->stray[kind] * s->stray[kind];
    }
    s->patients[2]++;
    s->products += s->stray[0] * s->stray[1];
    s->stray[0] = s->stray[1] = 0;
    s->rows[0] = s->rows[1] = 0;
}

/* Obuchowski's variance.  NaN (0 / 0) when one patient holds a whole class. */
static spread spread_of_patients(const placements *p, const int *truth, const mt_row_group *rows, int64_t n)
{
    patient_sums s = {.products = 0};
    double       sizes[2] = {(double)p->negatives, (double)p->positives}, parts[2];

    for (int64_t i = 0; i < n; i++) {
        int kind = truth[rows[i].row];

        s.stray[kind] += p->value[rows[i].row] - p->area;
        s.rows[kind]++;
        if (i + 1 == n || rows[i + 1].group != rows[i].group)
            close_patient(&s);
    }
    for (int kind = 0; kind < 2; kind++)
        parts[kind] =
            s.patients[kind] < 2 ? (double)NAN : s.patients[kind] / (s.patients[kind] - 1) * s.squares[kind] / sizes[kind] / sizes[kind];
    double both = s.patients[2] < 2 ? 0 : s.patients[2] / (s.patients[2] - 1) * s.products / sizes[0] / sizes[1];

    return (spread){p->area, parts[0] + parts[1] + 2 * both, s.patients[1], s.patients[0], true};
}

bool mt_roc_delong_patients(const double *scores, const int *truth, const int64_t *patient, int64_t n, double level,
                            mt_roc_interval interval, mt_estimate *area, GError **error)
{
    g_auto(placements) p = {0};
    mt_row_group *rows;
    double        z;

    *area = (mt_estimate){.defined = false};
    if (!mt_level_z(level, &z, error) || !placements_init(&p, scores, truth, n, error))
        return false;
    rows = mt_rows_by_group("DeLong interval", patient, n, error);
    if (rows != NULL && p.value != NULL) {
        spread s = spread_of_patients(&p, truth, rows, n);

        *area = area_with_interval(&s, z, interval);
    }
    mt_free(rows);
    return rows != NULL;
}

/* What rounding leaves of equal scores is no variance: `scale` is that of the two areas. */
static void test_difference(mt_roc_comparison *c, double difference, double variance, double scale, double z, const char *name)
{
    c->difference = mt_estimate_point(difference);
    c->tested = variance > 1e-14 * scale;
    if (!c->tested)
        return;
    c->difference = mt_estimate_between(difference, difference - z * sqrt(variance), difference + z * sqrt(variance), name);
    c->z = difference / sqrt(variance);
    c->p = erfc(fabs(c->z) * M_SQRT1_2);
}

static void compare_areas(const placements *a, const placements *b, const int *truth, int64_t n, double z, mt_roc_comparison *c)
{
    double var_a = covariance(a, a, truth, n), var_b = covariance(b, b, truth, n);

    c->a = area_of_rows(a, var_a, z, MT_ROC_WALD);
    c->b = area_of_rows(b, var_b, z, MT_ROC_WALD);
    test_difference(c, a->area - b->area, var_a + var_b - 2 * covariance(a, b, truth, n), var_a + var_b, z, "DeLong");
}

/* What a case adds to the difference is the difference of what it adds to the areas; `a` is turned into that. */
static void compare_by_patients(placements *a, const placements *b, const int *truth, const mt_row_group *rows, int64_t n, double z,
                                mt_roc_comparison *c)
{
    spread spread_a = spread_of_patients(a, truth, rows, n), spread_b = spread_of_patients(b, truth, rows, n);

    c->a = area_with_interval(&spread_a, z, MT_ROC_WALD);
    c->b = area_with_interval(&spread_b, z, MT_ROC_WALD);
    for (int64_t i = 0; i < n; i++)
        a->value[i] -= b->value[i];
    a->area -= b->area;
    spread gap = spread_of_patients(a, truth, rows, n);
    test_difference(c, gap.area, gap.variance, spread_a.variance + spread_b.variance, z, "DeLong, by patients");
}

static bool compare_rows(const double *scores_a, const double *scores_b, const int *truth, const mt_row_group *rows, int64_t n,
                         double level, mt_roc_comparison *comparison, GError **error)
{
    g_auto(placements) a = {0}, b = {0};
    double z;

    *comparison = (mt_roc_comparison){.tested = false};
    if (!mt_level_z(level, &z, error) || !placements_init(&a, scores_a, truth, n, error) || !placements_init(&b, scores_b, truth, n, error))
        return false;
    if (a.value != NULL && rows != NULL)
        compare_by_patients(&a, &b, truth, rows, n, z, comparison);
    else if (a.value != NULL)
        compare_areas(&a, &b, truth, n, z, comparison);
    return true;
}

bool mt_roc_compare(const double *scores_a, const double *scores_b, const int *truth, int64_t n, double level,
                    mt_roc_comparison *comparison, GError **error)
{
    return compare_rows(scores_a, scores_b, truth, NULL, n, level, comparison, error);
}

bool mt_roc_compare_patients(const double *scores_a, const double *scores_b, const int *truth, const int64_t *patient, int64_t n,
                             double level, mt_roc_comparison *comparison, GError **error)
{
    mt_row_group *rows = mt_rows_by_group("DeLong comparison", patient, n, error);
    bool          ok = rows != NULL && compare_rows(scores_a, scores_b, truth, rows, n, level, comparison, error);

    mt_free(rows);
    return ok;
}
