/* What a model wants of the intensities of a volume or picture, and doing it to one channel of it.
 *
 *   none                         as they are
 *   hu                           as they are, in Hounsfield units
 *   window:CENTRE,WIDTH          Hounsfield units, the window to 0..1
 *   ct:LOW,HIGH,MEAN,STD         Hounsfield units clipped, then (x - MEAN) / STD: nnU-Net's CTNormalization
 *   range:LOW,HIGH               LOW..HIGH to 0..1, clipped
 *   zscore, zscore-foreground    by mean and standard deviation of the case; of the mask alone, what is outside left as it is
 *   percentile[:LO,HI], percentile-foreground[:LO,HI]   between two percentiles (0.5,99.5) of the case or the mask to 0..1, clipped
 *   rescale01                    the smallest to 0, the largest to 1
 *   rgb01                        8-bit samples by 255
 *   imagenet                     8-bit colour by 255, then by ImageNet's mean and standard deviation
 *   xrv[:MAXVAL]                 (2 x / MAXVAL - 1) 1024, as torchxrayvision: MAXVAL 2^bits - 1 of the stored samples */
#ifndef MT_INTENSITY_SCHEME_H
#define MT_INTENSITY_SCHEME_H

#include "src/case/volume.h"

typedef enum mt_scheme_kind {
    MT_SCHEME_NONE,
    MT_SCHEME_HU,
    MT_SCHEME_WINDOW,
    MT_SCHEME_CT,
    MT_SCHEME_RANGE,
    MT_SCHEME_ZSCORE,
    MT_SCHEME_PERCENTILE,
    MT_SCHEME_RESCALE01,
    MT_SCHEME_RGB01,
    MT_SCHEME_IMAGENET,
    MT_SCHEME_XRV,
} mt_scheme_kind;

typedef struct mt_intensity_scheme {
    mt_scheme_kind kind;
    bool           foreground; /* zscore, percentile: of the mask */
    double         low, high;  /* limits; percentile: per cent; xrv: high is MAXVAL, 0 until fitted */
    double         mean, std;  /* ct */
} mt_intensity_scheme;

/* What is known of a case before its samples are read. */
typedef struct mt_intensity_facts {
    const char *name;     /* for messages: path or series */
    const char *modality; /* DICOM's code, or "unknown" */
    mt_dtype    dtype;
    int         channels;
    int         stored_bits; /* 0: not said */
} mt_intensity_facts;

mt_intensity_facts mt_intensity_facts_of(const mt_case *c);

/* The words above.  MT_ERROR_MODEL: "value=...: what is wanted". */
bool mt_intensity_scheme_parse(const char *text, mt_intensity_scheme *out, GError **error);
/* nnU-Net's plans: the class's name, use_mask_for_norm, and of foreground_intensity_properties_per_channel percentile_00_5, percentile_99_5,
 * mean and std (NULL: absent). */
bool mt_intensity_scheme_from_plans(const char *class_name, bool use_mask, const double properties[4], mt_intensity_scheme *out,
                                    GError **error);
/* The words that mt_intensity_scheme_parse takes; free with g_free. */
char *mt_intensity_scheme_text(const mt_intensity_scheme *s);
/* A mask of the foreground (mt_volume_nonzero_mask) is wanted. */
bool mt_intensity_scheme_needs_mask(const mt_intensity_scheme *s);

/* The case can have such intensities: Hounsfield units are of CT, 8 bits are 8 bits, xrv wants a known depth (and gets its MAXVAL here).
 * MT_ERROR_INPUT, naming scheme and case. */
bool mt_intensity_scheme_fit(mt_intensity_scheme *s, const mt_intensity_facts *facts, GError **error);
/* Do it to one channel, in place.  Statistics in double, summed plane by plane in their order: they do not depend on the threads.
 * MT_ERROR_INPUT when a sample is not finite or not in the range that was promised, or the foreground is empty. */
bool mt_intensity_scheme_apply(const mt_intensity_scheme *s, mt_volume *v, int channel, const uint8_t *mask, int threads, GError **error);

#endif
