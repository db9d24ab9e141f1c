/* The contract of a backend: what it tells about a file and how it yields its pixels.  One source_*.c per backend; the list
 * of them is in case.c.  A source is made by one thread, then read from many. */
#ifndef MT_SOURCE_H
#define MT_SOURCE_H

#include "src/case/orientation.h"
#include "src/case/spacing.h"

#include <microtome/case.h>
#include <microtome/error.h>

typedef struct mt_source mt_source;

/* How the file's window is meant: DICOM's VOILUTFunction.  LINEAR has its half a unit and one off the width (PS3.3 C.11.2.1.2.1). */
typedef enum mt_window_function { MT_WINDOW_LINEAR, MT_WINDOW_LINEAR_EXACT, MT_WINDOW_SIGMOID } mt_window_function;

/* The file's own window, for the samples as the case gives them. */
typedef struct mt_case_window {
    double             centre, width;
    mt_window_function function;
} mt_case_window;

/* A rectangle inside a level: the front (case.c) has already clipped it. */
typedef struct mt_rect {
    int64_t x, y, width, height;
} mt_rect;

typedef struct mt_source_class {
    const char *name;
    bool        is_shortcut; /* another backend reads the same files, or it claims all that it reads: others say why they do not */
    /* The file claims this backend's format for sure: no other backend is asked.  NULL: it cannot tell. */
    bool (*claims)(const char *path);
    /* NULL with a short reason ("not a slide"): the front adds path and backend. */
    mt_source *(*open)(const char *path, const mt_case_options *options, GError **error);
    /* Write the rectangle's rows into `out`, `row_bytes` apart.  once: what is stored wholly inside will not be asked for again.
     * Called from many threads, as the two below. */
    bool (*read)(mt_source *source, int64_t plane, int level, const mt_rect *rect, bool once, uint8_t *out, size_t row_bytes,
                 GError **error);
    /* openslide_read_region itself, transparent pixels black: rect->x and rect->y are level-0 pixels, the size is the level's.
     * NULL: the backend has no such reading of its own. */
    bool (*read_region)(mt_source *source, int level, const mt_rect *rect, uint8_t *out, GError **error);
    /* The rectangle will be read soon; false: enough is on its way, say it again later.  NULL: nothing to gain. */
    bool (*ahead)(mt_source *source, int64_t plane, int level, const mt_rect *rect);
    /* mt_case_stored_size, mt_case_stored_jpeg.  NULL: no tile of it is as a browser draws it. */
    bool (*stored_size)(const mt_source *source, int level, int64_t size[2]);
    GBytes *(*stored_jpeg)(mt_source *source, int level, int64_t column, int64_t row);
    /* NULL: nothing is counted. */
    void (*counts)(const mt_source *source, mt_case_counts *counts);
    void (*close)(mt_source *source);
} mt_source_class;

/* First member of each backend's own struct: the facts, constant once opened. */
struct mt_source {
    const mt_source_class *backend;
    mt_case_kind           kind;
    char                  *format;
    const char            *modality;
    int64_t                planes;
    GArray                *levels; /* mt_level */
    mt_dtype               dtype;
    int                    channels;
    mt_spacing             spacing; /* of the file itself, options aside */
    double                 plane_spacing_um;
    double                 objective_power;
    int64_t                bounds[4]; /* zero width: none in the file */
    char                  *quickhash;
    bool                   has_affine;
    double                 affine[16];
    mt_orientation         orientation;        /* volumes: how the stored axes were turned; else they stand as stored */
    const char            *frame_of_reference; /* what the affine is relative to; NULL: not said */
    int                    stored_bits;        /* significant bits of the stored samples; 0: not said */
    bool                   has_window;         /* of its first plane */
    mt_case_window         window;
    char                  *notes;              /* NULL, or what was done to the samples in words */
};

extern const mt_source_class mt_source_tiff;
extern const mt_source_class mt_source_openslide;
extern const mt_source_class mt_source_vips;
extern const mt_source_class mt_source_nifti;
extern const mt_source_class mt_source_metaimage;
extern const mt_source_class mt_source_nrrd;
extern const mt_source_class mt_source_dicom;

void mt_source_init(mt_source *source, const mt_source_class *backend);
/* Append a level; the true downsample per axis follows from level 0. */
void mt_source_add_level(mt_source *source, int64_t width, int64_t height);
/* Bytes of one sample of the types that a case has. */
size_t mt_source_sample_bytes(mt_dtype dtype);
/* What reading a case whole needs to know of its source. */
const mt_orientation *mt_case_orientation(const mt_case *c);
/* Significant bits of the stored samples (12 of an X-ray in 16-bit words), 0 when the file does not say. */
int mt_case_stored_bits(const mt_case *c);
/* DICOM's FrameOfReferenceUID, or the NIfTI code of a standard space ("talairach", "mni"); NULL where the file names none, as NIfTI's
 * scanner coordinates do not say of which session.  For comparing, never for showing. */
const char *mt_case_frame_of_reference(const mt_case *c);
/* False where the file names no window. */
bool mt_case_own_window(const mt_case *c, mt_case_window *window);
/* Free what mt_source_init and the facts hold, not `source` itself. */
void mt_source_clear(mt_source *source);

#endif
