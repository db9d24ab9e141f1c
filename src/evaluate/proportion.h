/* Shares of a count with their intervals, and how many cases a claim needs. */
#ifndef MT_PROPORTION_H
#define MT_PROPORTION_H

#include "src/evaluate/estimate.h"

typedef enum mt_proportion_interval {
    MT_PROPORTION_WILSON,          /* the score interval, without continuity correction; the default everywhere */
    MT_PROPORTION_CLOPPER_PEARSON, /* exact: never covers less than the level */
} mt_proportion_interval;

/* `hits` of `n` with the two-sided interval at `level`; not defined for n = 0.  MT_ERROR_RANGE: level outside (0, 1), hits outside 0..n. */
bool mt_proportion(int64_t hits, int64_t n, double level, mt_proportion_interval interval, mt_estimate *estimate, GError **error);
/* The same of n rows of `hit` 0 or 1, several of which may be of one patient: Wilson's interval at the n that as many independent rows would be
 * (design effect of the ratio estimator, Rao and Scott, Biometrics 1992; never more than n).  Where all rows hit or none does, which shows no
 * effect, that n is the number of patients.  MT_ERROR_INPUT: another hit, a negative patient; MT_ERROR_MEMORY. */
bool mt_proportion_patients(const int *hit, const int64_t *patient, int64_t n, double level, mt_estimate *estimate, GError **error);
/* The smallest n at which n - misses of n have a lower bound >= wanted: 381 for 0.99, no miss, Wilson at 0.95.
 * MT_ERROR_RANGE: wanted or level outside (0, 1), misses < 0; MT_ERROR_LIMIT: more than 10^12 would be needed. */
bool mt_proportion_needed(double wanted, int64_t misses, double level, mt_proportion_interval interval, int64_t *n, GError **error);
/* first - second of two independent shares, Newcombe's hybrid score interval (Statist. Med. 1998, method 10); not defined when one n is 0. */
bool mt_proportion_difference(int64_t hits1, int64_t n1, int64_t hits2, int64_t n2, double level, mt_estimate *estimate, GError **error);

#endif
