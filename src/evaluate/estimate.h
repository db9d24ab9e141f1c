/* A measured number and how sure it is.
 *
 * The rule of every metric in this folder: numbers that are no numbers never pass.  A NaN or infinite score, a truth that is neither 0 nor 1,
 * a class out of range is MT_ERROR_INPUT and names the row (counted from 0); a setting out of range is MT_ERROR_RANGE.  What valid data cannot
 * answer (one class only, nothing called positive) is no error: the estimate is not `defined`, its numbers are 0 and must not be shown.
 * Metrics are pure functions: serial, in the order of their input or of sorted scores (equal scores in the order of rows), no files, no threads. */
#ifndef MT_ESTIMATE_H
#define MT_ESTIMATE_H

#include <microtome/error.h>

typedef struct mt_estimate {
    bool        defined;   /* false: the data do not say; all else is 0 */
    double      value;     /* in the metric's unit */
    const char *interval;  /* how low and high were found: "Wilson", "DeLong", ..; NULL: no interval */
    double      low, high; /* of `interval`, at the level asked for */
} mt_estimate;

static inline mt_estimate mt_estimate_point(double value)
{
    return (mt_estimate){.defined = true, .value = value};
}

static inline mt_estimate mt_estimate_between(double value, double low, double high, const char *interval)
{
    return (mt_estimate){.defined = true, .value = value, .interval = interval, .low = low, .high = high};
}

/* Not defined for a denominator of 0. */
static inline mt_estimate mt_estimate_ratio(double part, double whole)
{
    return whole > 0 ? mt_estimate_point(part / whole) : (mt_estimate){.defined = false};
}

#endif
