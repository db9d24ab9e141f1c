#include "src/evaluate/equalised_odds.h"
#include "src/evaluate/distribution.h"
#include "src/evaluate/proportion.h"

typedef struct group_share {
    int64_t part, whole;
} group_share;

typedef enum share_kind { SENSITIVITY, FALSE_POSITIVE_RATE, PPV, NPV } share_kind;

static group_share share_of(const mt_confusion *c, share_kind kind)
{
    switch (kind) {
    case SENSITIVITY:
        return (group_share){c->tp, c->tp + c->fn};
    case FALSE_POSITIVE_RATE:
        return (group_share){c->fp, c->fp + c->tn};
    case PPV:
        return (group_share){c->tp, c->tp + c->fp};
    default:
        return (group_share){c->tn, c->tn + c->fn};
    }
}

static bool below(group_share a, group_share b)
{
    return (double)a.part * (double)b.whole < (double)b.part * (double)a.whole;
}

static bool find_gap(const mt_confusion *groups, int n_groups, share_kind kind, double level, mt_group_gap *gap, GError **error)
{
    group_share lowest = {0}, highest = {0};
    int         with_cases = 0;
    double      pairs;

    *gap = (mt_group_gap){.lowest = -1, .highest = -1};
    for (int g = 0; g < n_groups; g++) {
        group_share share = share_of(&groups[g], kind);

        if (share.whole == 0)
            continue;
        if (with_cases++ == 0 || below(share, lowest)) {
            lowest = share;
            gap->lowest = g;
        }
        if (with_cases == 1 || below(highest, share)) {
            highest = share;
            gap->highest = g;
        }
    }
    if (with_cases < 2) {
        gap->lowest = gap->highest = -1;
        return true;
    }
    pairs = 0.5 * with_cases * (with_cases - 1);
    return mt_proportion_difference(highest.part, highest.whole, lowest.part, lowest.whole, 1 - (1 - level) / pairs, &gap->gap, error);
}

bool mt_equalised_odds_measure(const mt_confusion *groups, int n_groups, double level, mt_equalised_odds *odds, GError **error)
{
    double z;

    *odds = (mt_equalised_odds){.difference = {.defined = false}};
    if (!mt_level_z(level, &z, error))
        return false;
    if (n_groups < 1) {
        g_set_error(error, MT_ERROR, MT_ERROR_RANGE, "equalised odds of %d groups: there must be one or more", n_groups);
        return false;
    }
    if (!find_gap(groups, n_groups, SENSITIVITY, level, &odds->sensitivity, error) ||
        !find_gap(groups, n_groups, FALSE_POSITIVE_RATE, level, &odds->false_positive_rate, error) ||
        !find_gap(groups, n_groups, PPV, level, &odds->ppv, error) || !find_gap(groups, n_groups, NPV, level, &odds->npv, error))
        return false;
    const mt_estimate *a = &odds->sensitivity.gap, *b = &odds->false_positive_rate.gap;

    if (a->defined && b->defined)
        odds->difference = a->value >= b->value ? *a : *b;
    return true;
}
