/* The images of a folder as series, and one series as slices in the order in which they stand in the patient. */
#ifndef MT_DICOM_SERIES_H
#define MT_DICOM_SERIES_H

#include "src/case/dicom_file.h"

/* Images of one SeriesInstanceUID, in the order of their SOP instances.  The UID itself is nobody's business. */
typedef struct mt_dicom_series {
    GPtrArray *files; /* mt_dicom_file, owned */
} mt_dicom_series;

typedef struct mt_dicom_folder {
    GPtrArray *series; /* mt_dicom_series, those with most images first */
    guint      other;  /* DICOM files without an image: reports, plans, DICOMDIR */
} mt_dicom_folder;

/* `path`: one file, a DICOMDIR (its folder) or a folder with what is below it.  What is no DICOM file is passed over; one that
 * cannot be read is an error, for it may be the missing slice. */
mt_dicom_folder *mt_dicom_folder_read(const char *path, GError **error);
/* The named files alone, as one series: NULL-terminated. */
mt_dicom_folder *mt_dicom_folder_of(const char *const *paths, GError **error);
/* All files of a folder, or beside and below a DICOMDIR, sorted. */
GPtrArray *mt_dicom_folder_paths(const char *path);
void       mt_dicom_folder_free(mt_dicom_folder *folder);
/* "CT, 28 slices of 512 x 512, HEAD, 5 mm, "Routine Brain"": no identifier in it but the words of the description. */
char *mt_dicom_series_text(const mt_dicom_series *series);
/* The paths of a folder's DICOM files, sorted by SOP instance; NULL when none of its files is DICOM. */
GPtrArray *mt_dicom_folder_files(const char *folder);
/* One of the files in or below the folder is DICOM. */
bool mt_dicom_folder_matches(const char *folder);

typedef struct mt_dicom_slice {
    const mt_dicom_file *file;
    int64_t              frame;
    double               along; /* mm along the normal */
} mt_dicom_slice;

typedef struct mt_dicom_stack {
    GArray *slices;     /* mt_dicom_slice, along the normal */
    bool    has_frame;  /* positions and orientation are known */
    double  affine[16]; /* (column, row, slice) to RAS mm */
    double  step;       /* mm between slices along the normal; 0: not known */
    double  tilt;       /* degrees between the normal and the way from slice to slice */
    guint   copies;     /* files left out that are copies of others */
} mt_dicom_stack;

/* MT_ERROR_INPUT with what is wrong: sizes, orientations or spacings that differ, two slices at one place, a missing one, uneven
 * gaps. */
mt_dicom_stack *mt_dicom_stack_new(const mt_dicom_series *series, GError **error);
void            mt_dicom_stack_free(mt_dicom_stack *stack);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dicom_folder, mt_dicom_folder_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_dicom_stack, mt_dicom_stack_free)

#endif
