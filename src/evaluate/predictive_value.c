#include "src/evaluate/predictive_value.h"

#include <math.h>
#include <string.h>

static mt_estimate complement(const mt_estimate *e)
{
    return mt_estimate_between(1 - e->value, 1 - e->high, 1 - e->low, e->interval);
}

/* The ends of a / b by Donner and Zou's equation, written without the cancellation; `high` is infinite where b may be 0. */
static void ratio_limits(const mt_estimate *a, const mt_estimate *b, double *low, double *high)
{
    double both = a->value * b->value;
    double least = a->low * (2 * a->value - a->low), most = a->high * (2 * a->value - a->high);
    double under = b->high * (2 * b->value - b->high), over = b->low * (2 * b->value - b->low);

    *low = least > 0 ? least / (both + sqrt(fmax(0, both * both - least * under))) : 0;
    *high = over > 0 ? (both + sqrt(fmax(0, both * both - most * over))) / over : (double)INFINITY;
}

/* right / (right + wrong) with the odds of being right at `odds` times the ratio. */
static double share_of(double odds, double ratio)
{
    return isinf(ratio) ? 1 : odds * ratio / (1 + odds * ratio);
}

/* Of those called, how many rightly: `right` of the wanted kind are called, `wrong` of the others. */
static mt_estimate predict(const mt_estimate *right, const mt_estimate *wrong, double odds)
{
    double low, high;

    if (right->value <= 0 && wrong->value <= 0)
        return (mt_estimate){.defined = false};
    mt_estimate value = mt_estimate_point(right->value * odds / (right->value * odds + wrong->value));
    if (right->interval == NULL || wrong->interval == NULL)
        return value;
    ratio_limits(right, wrong, &low, &high);
    bool patients = strstr(right->interval, "patients") != NULL || strstr(wrong->interval, "patients") != NULL;
    return mt_estimate_between(value.value, share_of(odds, low), share_of(odds, high), patients ? "MOVER-R, by patients" : "MOVER-R");
}

bool mt_predictive_values(const mt_estimate *sensitivity, const mt_estimate *specificity, double prevalence, mt_estimate *ppv,
                          mt_estimate *npv, GError **error)
{
    *ppv = *npv = (mt_estimate){.defined = false};
    if (!(prevalence > 0 && prevalence < 1)) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "predictive values at a prevalence of %g: give a share between 0 and 1", prevalence);
        return false;
    }
    if (!sensitivity->defined || !specificity->defined)
        return true;
    mt_estimate false_positives = complement(specificity), misses = complement(sensitivity);
    double      odds = prevalence / (1 - prevalence);
    *ppv = predict(sensitivity, &false_positives, odds);
    *npv = predict(specificity, &misses, 1 / odds);
    return true;
}
