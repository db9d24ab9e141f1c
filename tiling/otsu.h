/* Otsu's threshold of a histogram, as OpenCV computes it for 8 bits. */
#ifndef MT_OTSU_H
#define MT_OTSU_H

#include <microtome/api.h>

typedef struct mt_otsu {
    int    threshold;    /* the lower class is <= threshold; -1: the histogram has fewer than two filled bins */
    double lower, upper; /* means of the classes, in bins */
} mt_otsu;

/* The first bin that maximises the variance between the classes; bins at or below `above` do not count (-1: all do). */
mt_otsu mt_otsu_split(const int64_t *histogram, int bins, int above);
/* Mean bin; NAN for an empty histogram. */
double mt_otsu_mean(const int64_t *histogram, int bins);

#endif
