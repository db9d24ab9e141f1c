/* <microtome/study.h>  A folder or DICOMDIR of many DICOM series, and the rules by which a recipe chooses among them.
 * A study is read tolerantly: what is no image or cannot be read is listed with the reason.  No name, date or number of a patient is taken
 * out of it; descriptions are free text of the scanner and stay out of results.  One thread. */
#ifndef MICROTOME_STUDY_H
#define MICROTOME_STUDY_H

#include <microtome/api.h>

G_BEGIN_DECLS

typedef enum mt_series_contrast { MT_CONTRAST_NONE, MT_CONTRAST_GIVEN, MT_CONTRAST_UNSURE } mt_series_contrast;

/* Why a series is no candidate before any rule is asked, and the key of a rule that takes it all the same. */
typedef enum mt_series_skip {
    MT_SERIES_OPEN,
    MT_SERIES_NO_IMAGE, /* reports, contours, presentation states, segmentations: none does */
    MT_SERIES_TYPE,     /* scouts, derived series, screenshots: image_type= */
    MT_SERIES_ALONE     /* one slice of CT, MR or PET: min_images=1 */
} mt_series_skip;

/* The images of one SeriesInstanceUID that point one way; pictures without a place are one each.  Text is NULL and numbers are 0 where the
 * files do not say. */
typedef struct mt_series {
    int                number; /* in the study, from 1 */
    char              *modality, *body_part, *view, *laterality, *description, *protocol, *image_type, *scanning;
    const char        *orientation; /* "axial", "coronal", "sagittal", "oblique" */
    int64_t            images, columns, rows;
    double             thickness_mm, spacing_mm; /* of a slice; between slices */
    mt_series_contrast contrast;
    double             repetition_ms, echo_ms, inversion_ms;
    double             b_value; /* negative: not said */
    int64_t            series_number, acquisition;
    char              *frame; /* of reference, hashed */
    char             **files; /* paths, sorted; NULL-terminated */
    mt_series_skip     skip;
    char              *reason; /* why it was not chosen; NULL: nobody asked, or it was chosen */
    char              *chosen; /* the role that it was chosen for, "" for the only one; NULL: it was not */
} mt_series;

typedef struct mt_study       mt_study;
typedef struct mt_series_rule mt_series_rule;

/* MT_ERROR_MISSING; MT_ERROR_INPUT when nothing in it is DICOM. */
MT_PUBLIC mt_study        *mt_study_open(const char *path, GError **error);
MT_PUBLIC void             mt_study_free(mt_study *study);
MT_PUBLIC int              mt_study_count(const mt_study *study);
MT_PUBLIC const mt_series *mt_study_get(const mt_study *study, int i);
/* Files that cannot be read: "IM7: its Rows are missing"; NULL beyond the last. */
MT_PUBLIC const char *mt_study_damaged(const mt_study *study, int i);
/* True for a DICOM file or DICOMDIR, and a folder in which there is one. */
MT_PUBLIC bool mt_study_matches(const char *path);
/* "MR, 24 images of 256 x 256, axial, 5 mm, HEAD, "T1 post"": what messages and tables call it. */
MT_PUBLIC char *mt_series_text(const mt_series *series);
/* A line a series for a result, tabs between: number, role or "-", modality, images, columns, rows, orientation, thickness mm, contrast,
 * reason.  No free text of the files. */
MT_PUBLIC char *mt_study_text(const mt_study *study);

/* Of "KEY=VALUE" each (docs/studies.md).  `role`: NULL, or the ROLE of [series.ROLE].  `common` (may be NULL): of [series], for keys that
 * `pairs` lacks.  MT_ERROR_MODEL with what is wrong. */
MT_PUBLIC mt_series_rule *mt_series_rule_new(const char *role, const char *const *common, const char *const *pairs, GError **error);
MT_PUBLIC void            mt_series_rule_free(mt_series_rule *rule);

/* One series for each rule; afterwards `chosen` and `reason` of the series say how.  MT_ERROR_INPUT when none or several fit, when it cannot
 * be told whether one does, when two rules choose one, and for a damaged file that may be a slice of one. */
MT_PUBLIC bool mt_study_select(mt_study *study, const mt_series_rule *const *rules, int n, GError **error);
/* The series that was chosen for `role` (NULL: the only one); NULL: none. */
MT_PUBLIC const mt_series *mt_study_chosen(const mt_study *study, const char *role);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_study, mt_study_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_series_rule, mt_series_rule_free)

G_END_DECLS

#endif
