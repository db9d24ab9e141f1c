/* What a case's score would be without some of it: counterfactuals that were computed, not guessed. */
#ifndef MT_EXPLAIN_REMOVAL_H
#define MT_EXPLAIN_REMOVAL_H

#include "src/pipeline/case_run.h"

typedef struct mt_removal {
    const char *what;        /* "tiles", "part" */
    int64_t     removed, of; /* tiles taken out of the valid ones; tiles with a part painted over */
    double      score;       /* of the label, without */
    int64_t     box[4];      /* x, y, width, height of the part of the strongest tile, level-0 px; zeros: of tiles */
    int64_t     plane;
} mt_removal;

/* The fewest of the tiles that speak most for the label whose removal brings its score below `threshold`.  False with *found unset where none
 * do, and where it is below already. */
bool mt_removal_of_tiles(const mt_case_run *run, int label, double threshold, const mt_head_options *options, mt_removal *removal,
                         bool *found, GError **error);
/* The score of the case with other features in some of its tiles: rows (n x dim) of tiles rows_of (ascending among the valid). */
bool mt_removal_of_rows(const mt_case_run *run, const mt_bag *bag, int label, const int64_t *rows_of, const float *rows, int64_t n,
                        const mt_head_options *options, double *score, GError **error);
/* mt_removal each, into /explanation. */
bool mt_removals_store(const GArray *removals, const char *label, double score, mt_store *store, GError **error);

#endif
