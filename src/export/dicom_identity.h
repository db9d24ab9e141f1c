/* Whose result it is and where its voxels stand: the identity and geometry that objects for an archive carry, of the DICOM files that the
 * result was made from, or, of cases that are not DICOM, of the manifest's columns and the result itself.  Names of patients are read here
 * alone, for what goes back to where they came from; they stand in no message. */
#ifndef MT_DICOM_IDENTITY_H
#define MT_DICOM_IDENTITY_H

#include <microtome/handover.h>

G_BEGIN_DECLS

typedef enum mt_dicom_geometry {
    MT_DICOM_NOWHERE, /* a picture without any place: no object with a geometry can be made */
    MT_DICOM_PICTURE, /* pixels of one source image (an X-ray, a fundus): no patient frame, the source's own pixels are the place */
    MT_DICOM_VOLUME,  /* slices in the patient */
    MT_DICOM_SLIDE    /* level-0 pixels on a glass slide */
} mt_dicom_geometry;

/* One image that was read, or a frame of it. */
typedef struct mt_dicom_instance {
    char   *sop_class, *sop_instance, *series; /* NULL: the source is no DICOM */
    int64_t frame;                             /* from 1; 0: the whole instance, of one frame */
    double  position[3];                       /* LPS mm of the first pixel's centre (VOLUME) */
} mt_dicom_instance;

typedef struct mt_dicom_identity {
    bool is_dicom; /* read from DICOM files, not from a manifest */
    /* UTF-8; NULL: not said */
    char *patient_name, *patient_id, *patient_id_issuer, *birth_date, *sex, *study_uid, *study_id, *study_date, *study_time, *accession,
        *referring, *study_description, *frame_uid, *position_reference, *series_uid, *modality, *body_part, *laterality, *container;

    mt_dicom_geometry geometry;
    int64_t           size[3];           /* columns, rows and slices as they are stored: of level 0 for a slide */
    double            spacing[3];        /* mm between columns, rows, slices (0: one, or not known) */
    double            thickness;         /* mm of a slice; 0: not known */
    double            row[3], column[3]; /* LPS directions along a row, down a column; of a slide in its own frame */
    double            origin[2];         /* SLIDE: mm in the slide's frame of the first pixel's centre */
    GPtrArray        *instances;         /* mt_dicom_instance *: one a stored slice (VOLUME, PICTURE), the images of level 0 (SLIDE) */
    /* How the result's (x, y, plane) lie in the stored slices: element i of `axis` is the stored axis of x, y, plane; `flip`: index 0 is its last. */
    int  axis[3];
    bool flip[3];
} mt_dicom_identity;

/* `id` is the case's, for messages; `input_sha256` what the result says it was made from (NULL: it does not).  MT_ERROR_INPUT for a source
 * whose hash is another or whose geometry is not the result's; where neither source nor manifest say who it is. */
mt_dicom_identity *mt_dicom_identity_read(const mt_result *result, const char *input_sha256, const mt_handover_source *source,
                                          GError **error);
void               mt_dicom_identity_free(mt_dicom_identity *identity);

/* The same, lying as the result's own planes do, where these run across the source's slices (VOLUME): no instance is named.  Borrows the texts of
 * `identity`; free with mt_dicom_identity_free_planes. */
mt_dicom_identity *mt_dicom_identity_planes(const mt_dicom_identity *identity, const mt_result *result);
void               mt_dicom_identity_free_planes(mt_dicom_identity *planes);

/* Stored voxel (column, row, slice) of the result's voxel (x, y, plane), and the other way round. */
void mt_dicom_identity_to_stored(const mt_dicom_identity *identity, const int64_t voxel[3], int64_t stored[3]);
void mt_dicom_identity_from_stored(const mt_dicom_identity *identity, const int64_t stored[3], int64_t voxel[3]);

/* Fill the texts from the header of one DICOM file, and the slide's frame (row, column, origin) where it has one.  By dicom_patient.cc. */
bool mt_dicom_patient_read(const char *path, mt_dicom_identity *identity, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dicom_identity, mt_dicom_identity_free)

G_END_DECLS

#endif
