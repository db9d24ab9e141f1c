/* Does the test serve all groups alike: gaps of sensitivity and false positive rate between groups (Hardt, Price and Srebro 2016). */
#ifndef MT_EQUALISED_ODDS_H
#define MT_EQUALISED_ODDS_H

#include "src/evaluate/confusion.h"

/* The largest difference between two groups.  `interval` is Newcombe's of these two at a level raised for the choice among all pairs
 * (Bonferroni), so it covers the gap of any pair at the level asked for. */
typedef struct mt_group_gap {
    mt_estimate gap;             /* highest - lowest; not defined with fewer than two groups that have the cases */
    int         lowest, highest; /* group; -1 when not defined.  The first of equals */
} mt_group_gap;

typedef struct mt_equalised_odds {
    mt_group_gap sensitivity, false_positive_rate, ppv, npv;
    mt_estimate  difference; /* equalised-odds difference: the larger gap of sensitivity and false positive rate, with its interval */
} mt_equalised_odds;

/* One confusion for each group.  MT_ERROR_RANGE: no groups, level. */
bool mt_equalised_odds_measure(const mt_confusion *groups, int n_groups, double level, mt_equalised_odds *odds, GError **error);

#endif
