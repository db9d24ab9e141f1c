/* Patients of a cohort, shuffled by a seed and dealt into parts of equal size and equal strata. */
#ifndef MT_DEAL_PATIENTS_H
#define MT_DEAL_PATIENTS_H

#include "src/train/splits.h"

/* For each of the n cases the part (0 .. parts-1) of its patient; `eligible` NULL: all, else the others get -1.  Each stratum's and
 * all patients' numbers differ by one at most between parts.  *n_patients may be NULL.  Free with g_free. */
int *mt_deal_patients(const mt_split_case *cases, guint n, const bool *eligible, int parts, uint64_t seed, guint *n_patients);
/* For each case whether its patient is in the share of patients, which has every stratum's share but for rounding, and one patient at
 * least when share > 0.  Free with g_free. */
bool *mt_share_of_patients(const mt_split_case *cases, guint n, const bool *eligible, double share, uint64_t seed);

#endif
