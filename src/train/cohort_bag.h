/* One case's features: kept in memory, or read from its file each time they are asked for. */
#ifndef MT_COHORT_BAG_H
#define MT_COHORT_BAG_H

#include "mil/feature_file.h"

/* Shared by the cases of a cohort: HDF5 is entered by one thread at a time, and one file is open at a time. */
typedef struct mt_cohort_files {
    GMutex           lock;
    mt_feature_file *open;
    const void      *owner; /* the bag whose file is open */
} mt_cohort_files;

typedef struct mt_cohort_bag {
    mt_cohort_files *files;
    char            *path;
    float           *features; /* n x dim; NULL: in the file */
    int64_t          n, dim;
} mt_cohort_bag;

mt_cohort_files *mt_cohort_files_new(void);
void             mt_cohort_files_free(mt_cohort_files *files);
/* The bag of `file`, which is taken; in memory when that costs at most *budget bytes, which are then taken from it. */
mt_cohort_bag *mt_cohort_bag_new(mt_cohort_files *files, const char *path, mt_feature_file *file, int64_t *budget, GError **error);
void           mt_cohort_bag_free(mt_cohort_bag *bag);
mt_bag         mt_cohort_bag_get(mt_cohort_bag *bag);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_cohort_bag, mt_cohort_bag_free)

#endif
