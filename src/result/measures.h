/* [measure] of a recipe: numbers made of a case's objects and label map, each by a rule that stands beside it in the result. */
#ifndef MT_MEASURES_H
#define MT_MEASURES_H

#include "src/result/objects.h"

typedef enum mt_measure_kind {
    MT_MEASURE_AREA,           /* area(CLASS): mm2 */
    MT_MEASURE_VOLUME,         /* volume(CLASS): mm3 */
    MT_MEASURE_SHARE,          /* share(CLASS of CLASS), share(CLASS of mask): of the area or volume; both as they are in the map */
    MT_MEASURE_COUNT,          /* count(CLASS): objects */
    MT_MEASURE_DENSITY,        /* density(CLASS, A): objects per mm2 in the square of A mm2 that holds most */
    MT_MEASURE_RATIO_VERTICAL, /* ratio_vertical(CLASS, CLASS): heights of all of both, cup to disc */
    MT_MEASURE_RATIO_AREA,     /* ratio_area(CLASS, CLASS) */
    MT_MEASURE_LONGEST,        /* longest(CLASS): mm, of the longest object; 0 without */
    MT_MEASURE_MAX_SCORE,      /* max_score(CLASS) */
    MT_MEASURE_FINDING,        /* finding(CLASS): the largest score that a later stage gave to objects of the class */
    MT_MEASURE_SCORE,          /* score(CLASS): of the case, where the task finds no objects; of grades that one or a worse */
    MT_MEASURE_N_KINDS
} mt_measure_kind;

/* One rule, checked against the labels. */
typedef struct mt_measure_rule {
    char           *name, *text;
    mt_measure_kind kind;
    int             label, other; /* indices; other -1: the mask, or none */
    double          mm2;          /* of a density */
} mt_measure_rule;

/* "NAME=RULE".  MT_ERROR_MODEL names the rule and what is wanted; `source` is the recipe, for messages. */
mt_measure_rule *mt_measure_rule_parse(const char *text, char *const *labels, const char *source, GError **error);
void             mt_measure_rule_free(mt_measure_rule *rule);

/* low and high: with the probability at 0.75 and 0.25 in place of 0.5.  NAN: cannot be told. */
typedef struct mt_measurement {
    char  *name;
    double value;
    char  *unit;
    double low, high;
    char  *rule;
} mt_measurement;

/* How many voxels of the map are a label's; and where its probability is at least 0.75 and 0.25 (-1: not known). */
typedef struct mt_label_counts {
    int64_t voxels, sure, possible;
} mt_label_counts;

/* What the rules draw on.  counts: of each label; mask_voxels: of the case's mask, 0: none.  scores: of each label, NULL: none are told; the
 * others are NULL where no objects are looked for. */
typedef struct mt_measure_facts {
    const mt_objects      *objects;
    const mt_label_counts *counts;
    double                 mask_voxels;
    const double          *scores;
} mt_measure_facts;

void mt_measurement_find(const mt_measure_rule *rule, const mt_measure_facts *facts, mt_measurement *measurement);
/* /measurements */
bool mt_measurements_store(const mt_measurement *measurements, int n, mt_store *store, GError **error);
void mt_measurement_clear(mt_measurement *measurement);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_measure_rule, mt_measure_rule_free)

#endif
