/* <microtome/aggregate.h>  A head over stored features: results of ours, CLAM's or TRIDENT's files; no slide is needed.
 * One thread (HDF5). */
#ifndef MICROTOME_AGGREGATE_H
#define MICROTOME_AGGREGATE_H

#include <microtome/head.h>

G_BEGIN_DECLS

/* A head, and what is made of its scores. */
typedef struct mt_scorer {
    const mt_head  *head;
    mt_head_card    card; /* the head's own, or with a recipe's labels, positive label and threshold; strings are borrowed */
    const char     *path; /* the head's file, or "mean", "max" */
    mt_head_options options;
    const char     *language;  /* of the reasons: "en", "ko"; NULL: en */
    const char *coords_folder; /* of files ID.h5 or ID_patches.h5 that say where the tiles of other tools' features are; NULL: they do */
} mt_scorer;

/* What the folder's recipe.ini holds: the head by name and hash.  Free with g_free. */
MT_PUBLIC char *mt_aggregate_resolved(const mt_scorer *scorer);

/* Score the features in `path` and publish `target` (never overwritten): what `path` holds, with this head's prediction in place of its
 * own.  Of another tool's file coordinates and features are kept.  *tiles is how many it holds.  MT_ERROR_MODEL for features that the
 * head was not made for. */
MT_PUBLIC bool mt_aggregate_case(const mt_scorer *scorer, const char *path, const char *id, const char *target, int64_t *tiles,
                                 GError **error);

/* How the cases of one patient become one score. */
typedef enum mt_patient_rule {
    MT_PATIENT_BAG,      /* all their tiles are one bag */
    MT_PATIENT_MAX,      /* the highest score */
    MT_PATIENT_MEAN,     /* the mean of each class's score */
    MT_PATIENT_NOISY_OR, /* 1 - product of (1 - score): at least one is positive, where they err independently */
} mt_patient_rule;

/* "bag", "max", "mean", "noisy_or". */
MT_PUBLIC const char *mt_patient_rule_name(mt_patient_rule rule);
MT_PUBLIC bool        mt_patient_rule_parse(const char *name, mt_patient_rule *rule);

typedef struct mt_patient {
    const char        *id;
    const char *const *paths;   /* results of its cases, NULL-terminated, in the order of their ids */
    const char *const *missing; /* ids of cases that have no result, NULL-terminated; they make the patient degraded */
} mt_patient;

/* SHA-256 over rule, scorer and the results: equal for equal answers.  Free with g_free. */
MT_PUBLIC char *mt_aggregate_patient_sha256(const mt_scorer *scorer, mt_patient_rule rule, const mt_patient *patient, GError **error);
/* Publish `target`.  Cases that are withheld or have no tissue do not count, and like missing ones make the patient degraded, which is
 * never clear.  MT_ERROR_USAGE for max and noisy_or of more than two classes that exclude each other. */
MT_PUBLIC bool mt_aggregate_patient(const mt_scorer *scorer, mt_patient_rule rule, const mt_patient *patient, const char *target,
                                    GError **error);

G_END_DECLS

#endif
