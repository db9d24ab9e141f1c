/* <microtome/findings.h>  What a case's result says was found: things with their place and size, measures, what to do next.
 * Reading only; a list owns all that it shows.  Frame: voxels (x, y, plane) of the case, whole at a voxel's centre; mm are RAS.
 * NaN, NULL: not known; nothing is made up.  Single-threaded (HDF5). */
#ifndef MICROTOME_FINDINGS_H
#define MICROTOME_FINDINGS_H

#include <microtome/result.h>

G_BEGIN_DECLS

/* One thing: a row of /objects. */
typedef struct mt_finding {
    char   *label;        /* its class */
    bool    boxed;        /* of a detector: a box and no voxels */
    int     stage;        /* that found it, from 1 */
    double  score;        /* mean probability of its voxels, or the detector's */
    int64_t box[6];       /* x0, y0, z0 and behind the last x1, y1, z1 */
    double  centre[3];    /* voxels */
    double  centre_mm[3]; /* NaN without a patient frame */
    int64_t voxels;       /* 0 of a box */
    double  area_mm2;     /* of a picture's */
    double  volume_mm3;   /* of a volume's */
    double  longest_mm, perpendicular_mm;
    char   *location;      /* "right, lower third" */
    char   *finding;       /* what a later stage calls it */
    double  finding_score; /* how sure that stage is */
} mt_finding;

/* One of [measure]: a row of /measurements. */
typedef struct mt_finding_value {
    char  *name;
    double value;
    char  *unit; /* "mm", "mm2", "mm3", "/mm2" or "" */
    double low, high;
    char  *rule; /* "ratio_vertical(cup, disc)" */
} mt_finding_value;

typedef struct mt_finding_list {
    char             *path;
    mt_finding       *findings; /* by class, then by first voxel */
    int               n_findings;
    mt_finding_value *values;
    int               n_values;
    char            **actions; /* "NAME: what to do", in the language of the run; NULL-terminated */
    int64_t           size[3]; /* width, height, planes; 0: not known */
    bool              has_affine;
    double            affine[16];         /* voxel to RAS mm, row-major */
    double            voxel_mm[3];        /* 0: not known */
    char             *frame_of_reference; /* a hash of the study's, "mni", "talairach"; NULL: not said */
} mt_finding_list;

/* A result without /objects has no findings and is no error.  MT_ERROR_INPUT where columns are damaged. */
MT_PUBLIC mt_finding_list *mt_finding_list_read(const mt_result *result, GError **error);
MT_PUBLIC void             mt_finding_list_free(mt_finding_list *list);

/* "8 mm nodule, right, lower third, malignancy 0.85", language "en" or "ko" (others: en); docs/objects.md has the rounding.
 * Free with g_free. */
MT_PUBLIC char *mt_finding_text(const mt_finding *finding, const char *language);
/* "cup-to-disc ratio 0.62"; NULL where the value is not known.  Free with g_free. */
MT_PUBLIC char *mt_finding_value_text(const mt_finding_value *value, const char *language);
/* Findings from the largest down (at most `most`, the rest counted), measures, actions: one a line; NULL-terminated, g_strfreev. */
MT_PUBLIC char **mt_finding_list_texts(const mt_finding_list *list, int most, const char *language);

/* Of case `id`: an object of JSON; rows of a CSV, whose header stands in mt_finding_csv_header.  Free with g_free. */
MT_PUBLIC char       *mt_finding_list_json(const mt_finding_list *list, const char *id, const char *language);
MT_PUBLIC char       *mt_finding_list_csv(const mt_finding_list *list, const char *id, const char *language);
MT_PUBLIC const char *mt_finding_csv_header(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_finding_list, mt_finding_list_free)

G_END_DECLS

#endif
