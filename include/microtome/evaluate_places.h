/* <microtome/evaluate_places.h>  How well masks and findings lie where they should: overlap of masks, detections against lesions.
 * Single-threaded; the same numbers for the same files, options and seed. */
#ifndef MICROTOME_EVALUATE_PLACES_H
#define MICROTOME_EVALUATE_PLACES_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef struct mt_place_evaluation mt_place_evaluation;

/* One of `masks` and `lesions` is given.  NULL, 0, false: not wanted, or what the comment says. */
typedef struct mt_place_params {
    const char        *masks;       /* the reference masks: a folder, or the column of `labels` that names the files */
    const char        *lesions;     /* the reference lesions: a CSV file, or a folder with a file for each case */
    const char        *labels;      /* CSV: id, patient, .. of the cases that count; NULL: all that the reference has */
    const char        *predicted;   /* column of `labels` that names the predicted masks, relative to their folder; NULL: by id */
    const char        *classes;     /* of masks: "1=liver,2=tumour", or one name for all that is not 0; NULL: the values of the
                                  * reference.  Of findings in results: "nodule,mass", whose objects count; NULL: all */
    const char        *split;       /* only rows whose column `split` says so */
    double             mask_mpp[2]; /* µm per pixel of masks whose file does not say; 0: none given */
    bool               no_distance; /* masks: Dice and IoU alone, which need no spacing */
    const double      *ious;        /* of average precision, each in (0, 1]; NULL: 0.5 alone */
    int                n_ious;
    double             lesion_scale;  /* pixels of the findings' frame to one of a reference mask; 0: 1 */
    double             join_um;       /* lesions of a mask that lie nearer to each other than this are one; 0: as they are */
    double             ignore_um;     /* lesions of a mask whose largest diameter is below this count neither way; 0: none */
    double             threshold;     /* findings from this score on are called; NAN: all are */
    bool               allow_missing; /* cases without a file are counted, not refused */
    int                bootstrap;     /* rounds over patients, 100..100000; 0: 2000 */
    uint64_t           seed;
    const char *const *goals;      /* "dice=0.8", "false_positives_per_scan<2" */
    const char        *goals_file; /* key file with [goals] */
    const char        *compare;    /* the predictions of another run over the same cases */
} mt_place_params;

/* MT_ERROR_INPUT: a case without its file, an unknown class, sizes that differ, ..: each names the case.  MT_ERROR_SPACING: a distance is
 * wanted and the spacing is not known.  MT_ERROR_MISSING: no folder, no file.  MT_ERROR_USAGE: options that do not fit each other. */
MT_PUBLIC mt_place_evaluation *mt_place_evaluation_new(const char *predicted, const mt_place_params *params, GError **error);
MT_PUBLIC void                 mt_place_evaluation_free(mt_place_evaluation *evaluation);
/* NULL-terminated, owned by the evaluation. */
MT_PUBLIC const char *const *mt_place_evaluation_warnings(const mt_place_evaluation *evaluation);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_place_evaluation, mt_place_evaluation_free)

G_END_DECLS

#endif
