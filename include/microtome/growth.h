/* <microtome/growth.h>  Two studies of one patient: which objects are the same, how much they grew, what is new.
 * Works on results alone; no image is read.  Single-threaded (HDF5). */
#ifndef MICROTOME_GROWTH_H
#define MICROTOME_GROWTH_H

#include <microtome/findings.h>

G_BEGIN_DECLS

typedef enum mt_growth_state {
    MT_GROWTH_GROWN,
    MT_GROWTH_SHRUNK,
    MT_GROWTH_STABLE,  /* no change that can be measured */
    MT_GROWTH_UNSIZED, /* seen twice, its size is not known */
    MT_GROWTH_NEW,
    MT_GROWTH_GONE,
    MT_GROWTH_MERGED, /* of the prior study: it lies in an object that another one became */
    MT_GROWTH_SPLIT,  /* of the current study: it lies in an object that became another one */
} mt_growth_state;

typedef struct mt_growth_params {
    double        max_distance_mm; /* of two centres of one object, above 0; 0: 10 */
    bool          same_frame;      /* the caller vouches that both studies share a frame; of pictures: pixel for pixel */
    bool          measures_only;   /* match nothing, compare measures alone */
    const double *transform;       /* 16, row-major: mm of the prior study to mm of the current one; NULL: none */
    double        days;            /* between the studies; 0: not known */
    const char   *language;        /* of the sentences, "en" or "ko"; NULL: "en" */
} mt_growth_params;

/* One object.  NaN: not known or not defined. */
typedef struct mt_growth_row {
    mt_growth_state   state;
    int               prior, current; /* rows of the two lists; -1: not seen there */
    const mt_finding *before, *after; /* NULL, likewise; owned by the growth */
    double            distance_mm;
    double            change_mm, change_percent; /* of the longest diameter */
    double            extent_percent;            /* of the volume, in a picture of the area */
    double            doubling_days;             /* of a volume that grew, where the days are given */
    char             *text;
} mt_growth_row;

/* One measure of both. */
typedef struct mt_growth_value {
    const mt_finding_value *before, *after;
    double                  change, change_percent;
    char                   *text;
} mt_growth_value;

typedef struct mt_growth {
    mt_finding_list *prior, *current;
    mt_growth_row   *rows; /* as the prior study has them, then what is new */
    int              n_rows;
    mt_growth_value *values; /* as the current study has them */
    int              n_values;
    double           limit_mm; /* a smaller change of diameter cannot be measured: the longer edge of a pixel of either study */
    double           max_distance_mm, days;
    char           **warnings; /* NULL-terminated */
} mt_growth;

/* MT_ERROR_INPUT where the frames are not known to be one (message names both), or an object has no place in mm.  MT_ERROR_USAGE for
 * params that contradict each other, MT_ERROR_RANGE for numbers that cannot be.  MT_ERROR_LIMIT for more objects near each other than can
 * be told apart. */
MT_PUBLIC mt_growth  *mt_growth_new(const mt_result *prior, const mt_result *current, const mt_growth_params *params, GError **error);
MT_PUBLIC void        mt_growth_free(mt_growth *growth);
MT_PUBLIC const char *mt_growth_state_name(mt_growth_state state); /* "grown" */
/* Free with g_free. */
MT_PUBLIC char *mt_growth_json(const mt_growth *growth);
MT_PUBLIC char *mt_growth_csv(const mt_growth *growth);

/* 16 numbers, row by row, white space or commas between, `#` begins a comment: a map of mm.  MT_ERROR_INPUT unless the last row is 0 0 0 1
 * and it neither mirrors nor flattens. */
MT_PUBLIC bool mt_growth_read_transform(const char *path, double transform[16], GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_growth, mt_growth_free)

G_END_DECLS

#endif
