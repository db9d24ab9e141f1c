/* <microtome/case.h>  One thing to analyse: a slide, an image, a volume.
 * A case has planes (1 for a slide or image, n slices for a volume); a plane has levels; level 0 is the finest.
 * Share an open case between threads freely; mt_case_read may be called from all of them. */
#ifndef MICROTOME_CASE_H
#define MICROTOME_CASE_H

#include <microtome/tensor.h>

G_BEGIN_DECLS

typedef struct mt_case mt_case;

typedef enum mt_case_kind { MT_CASE_SLIDE, MT_CASE_IMAGE, MT_CASE_VOLUME } mt_case_kind;

typedef enum mt_plane_axis { MT_AXIS_AXIAL, MT_AXIS_CORONAL, MT_AXIS_SAGITTAL } mt_plane_axis;

typedef struct mt_case_options {
    double      mpp_x, mpp_y; /* the case's own µm/px where its file lacks it; 0: none given */
    const char *mpp_source;   /* who gave it: "option" or "manifest"; NULL when none was given */
    const char *backend;      /* NULL: choose; "direct", "openslide", "vips", "nifti", "metaimage", "nrrd", "dicom" */
    const char
        *modality; /* NULL: from the file; else what a recipe is for, "CR;DX": the first where the file says none, another is refused */
    bool unit_mm;  /* a volume whose file names no unit of length is in mm; as stated by whoever opens it */
    mt_plane_axis      plane_axis;  /* volumes: the axis along which planes are stacked */
    int64_t            cache_bytes; /* decoded tiles kept for a second use; 0: MT_CASE_CACHE_BYTES, negative: none */
    const char *const *files;       /* DICOM: the files of `path` that are the case, as mt_study_select chose them; NULL: all of it */
    const char        *series;      /* what mt_case_series is to say; NULL: nothing was chosen */
    bool               approximate; /* JPEG slides also have levels between the stored ones, cut from these in the DCT domain */
} mt_case_options;

/* Two rows of 256 px tiles of a slide 200,000 px wide, all tissue. */
#define MT_CASE_CACHE_BYTES (INT64_C(320) << 20)

/* What reading has cost so far, where the backend counts it ("direct"). */
typedef struct mt_case_counts {
    int64_t tiles_decoded, tiles_reused; /* stored tiles: decoded, found in the cache */
    int64_t decoded_bytes;               /* of pixels */
    int64_t reads, read_bytes;           /* asked from the file system */
    int64_t reads_ahead;                 /* served by what was read ahead */
    int64_t read_retries;                /* after errors that passed */
} mt_case_counts;

typedef struct mt_level {
    int64_t width, height; /* pixels of this level */
    double  downsample_x;  /* width_0 / width: true per axis, never a mean */
    double  downsample_y;
} mt_level;

/* Open `path`: a file, or a folder with the images of one DICOM series.  options NULL: all defaults.  MT_ERROR_MISSING; MT_ERROR_INPUT for what no backend opens, with each
 * backend's reason; MT_ERROR_LIMIT for claimed sizes over src/base/limits.h. */
MT_PUBLIC mt_case *mt_case_open(const char *path, const mt_case_options *options, GError **error);
MT_PUBLIC void     mt_case_free(mt_case *c);

/* True for a name that mt_case_options.backend takes. */
MT_PUBLIC bool mt_case_backend_known(const char *name);

MT_PUBLIC const char  *mt_case_path(const mt_case *c);
MT_PUBLIC mt_case_kind mt_case_get_kind(const mt_case *c);
/* "direct", "openslide", "vips", "nifti", "metaimage", "nrrd", "dicom" */
MT_PUBLIC const char *mt_case_backend(const mt_case *c);
/* OpenSlide's vendor, "png", "jpeg", "nifti1" ...: what the file is */
MT_PUBLIC const char *mt_case_format(const mt_case *c);
/* DICOM's code where known ("SM" slide), else "unknown" */
MT_PUBLIC const char     *mt_case_modality(const mt_case *c);
MT_PUBLIC int64_t         mt_case_planes(const mt_case *c);
MT_PUBLIC int             mt_case_levels(const mt_case *c);
MT_PUBLIC const mt_level *mt_case_level(const mt_case *c, int level);
/* µm per pixel of level 0; false and zeros when unknown. */
MT_PUBLIC bool mt_case_mpp(const mt_case *c, double *mpp_x, double *mpp_y);
/* Where µm/px came from: "openslide", "aperio", "tiff-resolution", "option", "manifest", "header", a DICOM
 * attribute ("PixelSpacing", "ImagerPixelSpacing (at the detector)"); or, when unknown, the
 * reason in words ("no spacing in the file", "TIFF resolution of 72 dpi is no microscope's"). */
MT_PUBLIC const char *mt_case_mpp_source(const mt_case *c);
/* µm between planes; 0 for one plane. */
MT_PUBLIC double mt_case_plane_spacing_um(const mt_case *c);
/* Objective power (20, 40), 0 when unknown. */
MT_PUBLIC double mt_case_objective_power(const mt_case *c);
/* OpenSlide's bounds x, y, width, height in level-0 pixels; the whole plane where the file has none. */
MT_PUBLIC void mt_case_bounds(const mt_case *c, int64_t bounds[4]);
/* What was done to the samples on the way from the file and what was not ("rescaled by 1 and -1024 to Hounsfield units"), "; "
 * between; NULL: nothing. */
MT_PUBLIC const char *mt_case_notes(const mt_case *c);
/* How the case was chosen from its study, as mt_study_text gives it; NULL: it was not. */
MT_PUBLIC const char *mt_case_series(const mt_case *c);
/* OpenSlide's quickhash-1, NULL elsewhere. */
MT_PUBLIC const char *mt_case_quickhash(const mt_case *c);
/* Voxel (x, y, plane) to RAS mm, row-major; false when the file has no patient frame.  Where the file names no unit of
 * length (mt_case_mpp is false then) the numbers are in the file's own unit. */
MT_PUBLIC bool mt_case_affine(const mt_case *c, double affine[16]);

/* Stored samples: MT_U8, MT_U16, MT_I16 or MT_F32 (rescaled); 1 or 3 channels (alpha is flattened over white). */
MT_PUBLIC mt_dtype mt_case_dtype(const mt_case *c);
MT_PUBLIC int      mt_case_channels(const mt_case *c);

/* Read the rectangle (x, y, width, height) in pixels of `level` into `out` (height x width x channels of the case's
 * dtype, contiguous).  What lies outside the level is white (slides, images: the largest integer, 1.0 in float) or 0
 * (volumes).  The pixels are the stored ones, never resampled; the exceptions are the levels that `approximate` adds, and levels of
 * fractional downsample of the openslide backend, which OpenSlide shifts by up to half a pixel of level 0.
 * Images are upright (EXIF orientation applied).  Volumes are in canonical RAS order: axial planes have x to the patient's
 * right, y to the front; coronal x right, y up; sagittal x front, y up; planes follow the third direction.
 * Speed: a rectangle costs the decoding of the stored tiles that it touches, less those still in the case's cache (shared
 * by all threads).  Rectangles in row-major order decode each stored tile about once; single pixels are a waste.
 * No lock is held while pixels are decoded; large rectangles are read in bands, so the memory used beside `out` is bounded.
 * A backend handle that meets an error is reopened and the read tried once more; false and MT_ERROR_INPUT when the
 * pixels cannot be decoded (the case stays usable). */
MT_PUBLIC bool mt_case_read(mt_case *c, int64_t plane, int level, int64_t x, int64_t y, int64_t width, int64_t height, void *out,
                            GError **error);

/* What openslide_read_region(x0, y0, level, width, height) gives as RGB without alpha, as CLAM and TRIDENT read it: black outside the
 * level.  x0 and y0 are level-0 pixels; between the level's pixels OpenSlide interpolates, and so does backend "openslide"; the
 * others take the nearest.  8-bit colour alone. */
MT_PUBLIC bool mt_case_read_region(mt_case *c, int level, int64_t x0, int64_t y0, int64_t width, int64_t height, void *out, GError **error);

/* The same for a caller that will not read these pixels again: whole stored tiles in the rectangle are decoded into `out` and not
 * kept. */
MT_PUBLIC bool mt_case_read_once(mt_case *c, int64_t plane, int level, int64_t x, int64_t y, int64_t width, int64_t height, void *out,
                                 GError **error);
/* Say that this rectangle will be read soon, in the order of need: slow storage is asked for it now.  False: enough is on its way,
 * say it again later.  Never an error; a rectangle that was not told is read all the same. */
MT_PUBLIC bool mt_case_read_ahead(mt_case *c, int64_t plane, int level, int64_t x, int64_t y, int64_t width, int64_t height);
/* Zeros where the backend counts nothing. */
MT_PUBLIC void mt_case_get_counts(const mt_case *c, mt_case_counts *counts);

/* Size, mtime-free identity: SHA-256 over size, first and last MiB of every file of the case, 64 hex digits. */
MT_PUBLIC char *mt_case_identity(const char *path, GError **error);

/* What the result at `result_path` was made of: `slides` where that is no folder, else what it holds under the case's name (the largest file
 * "ID.anything", else what is called ID).  MT_ERROR_MISSING.  Free with g_free. */
MT_PUBLIC char *mt_case_find(const char *slides, const char *result_path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_case, mt_case_free)

G_END_DECLS

#endif
