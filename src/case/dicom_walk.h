/* One pass over the elements of a data set in memory, values skipped: nothing is believed that the bytes do not hold. */
#ifndef MT_DICOM_WALK_H
#define MT_DICOM_WALK_H

#include <microtome/error.h>

#define MT_DICOM_UNDEFINED UINT32_MAX

typedef struct mt_dicom_walk {
    const uint8_t *bytes;
    size_t         n, at;
    bool           explicit_vr, big_endian;
    bool           whole; /* no bytes follow these */
    int64_t        elements;
} mt_dicom_walk;

typedef struct mt_dicom_element {
    uint32_t tag; /* group << 16 | element */
    char     vr[3];
    uint32_t length;
    size_t   value; /* where it begins */
} mt_dicom_element;

typedef enum mt_dicom_step {
    MT_DICOM_STEP_ELEMENT,
    MT_DICOM_STEP_PIXELS,
    MT_DICOM_STEP_END,
    MT_DICOM_STEP_MORE,
    MT_DICOM_STEP_ERROR
} mt_dicom_step;

/* Past one element of the top level.  PIXELS: the next is pixel data, `at` stays before it.  MORE: the bytes end within the
 * element, `at` stays before it. */
mt_dicom_step mt_dicom_walk_next(mt_dicom_walk *walk, mt_dicom_element *element, GError **error);
/* Whether the bytes at `at` look like an element with its value representation named. */
bool mt_dicom_walk_names_vr(const uint8_t *bytes, size_t n);

uint16_t mt_dicom_u16(const uint8_t *bytes, bool big_endian);
uint32_t mt_dicom_u32(const uint8_t *bytes, bool big_endian);

#endif
