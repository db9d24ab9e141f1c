/* Phantoms: pictures and volumes of patients that never were, with the truth about every object in them.
 * A phantom stands in the patient's frame (RAS, mm, from the isocentre) and is sampled by a voxel grid of any place and direction;
 * truth is analytic: diameters and volumes are of the shapes themselves, masks hold the voxels that a shape fills by half or more. */
#ifndef PHANTOMS_H
#define PHANTOMS_H

#include <microtome/error.h>

/* --- random numbers and noise ------------------------------------------------------------------------------------ */

typedef struct ph_random {
    uint64_t state;
} ph_random;

ph_random ph_random_of(uint64_t seed, uint64_t stream);
uint64_t  ph_next(ph_random *r);
double    ph_uniform(ph_random *r, double low, double high);
int       ph_whole(ph_random *r, int low, int high); /* both included */
double    ph_gauss(ph_random *r);
void      ph_direction(ph_random *r, double d[3]);
/* Smooth value noise in [-1, 1] with features of `size`. */
double ph_noise(uint64_t seed, double x, double y, double z, double size);

/* --- files ------------------------------------------------------------------------------------------------------- */

/* Where voxels stand: x fastest; `affine` takes a voxel to RAS mm, `inverse` takes it back (3 rows of 4). */
typedef struct ph_grid {
    int    size[3];
    double spacing[3], affine[12], inverse[12];
} ph_grid;

typedef enum ph_pose { PH_STRAIGHT, PH_FLIPPED, PH_OBLIQUE, PH_UPSIDE_DOWN, PH_N_POSES } ph_pose;

/* `centre` is the place of the middle of the grid. */
ph_grid ph_grid_of(const int size[3], const double spacing[3], const double centre[3], ph_pose pose);
/* Of a picture: a voxel's place is its column and row. */
ph_grid     ph_picture_grid(const int size[3]);
int64_t     ph_voxels(const ph_grid *g);
const char *ph_pose_name(ph_pose pose);
void        ph_place(const double matrix[12], const double in[3], double out[3]);

typedef enum ph_type { PH_UINT8 = 2, PH_INT16 = 4 } ph_type; /* NIfTI-1's numbers */

/* Values are rounded and held to the type's range.  Written with gzip. */
bool ph_write_nifti(const char *path, const ph_grid *g, ph_type type, const float *values, GError **error);
/* Values 0 to 1, `channels` 1 (grey) or 3 (RGB, interleaved), 8 or 16 bits a sample. */
bool ph_write_png(const char *path, int width, int height, int channels, int bits, const float *values, GError **error);

/* --- shapes ------------------------------------------------------------------------------------------------------ */

typedef struct ph_ellipsoid {
    double at[3], semi[3], axes[9]; /* rows: the unit direction of each semi-axis */
} ph_ellipsoid;

/* For a grid of one slice, in its plane. */
ph_ellipsoid ph_ellipse(double x, double y, double a, double b, double turn);
double       ph_ellipsoid_mm3(const ph_ellipsoid *e);
void         ph_random_axes(ph_random *r, double axes[9]);
/* Share of each voxel that the shape fills, where it is more than what is there. */
void ph_fill_ellipsoid(const ph_grid *g, const ph_ellipsoid *e, float *share);
/* A tube with round ends, its radius going from ra to rb. */
void ph_fill_tube(const ph_grid *g, const double a[3], const double b[3], double ra, double rb, float *share);
/* 0 outside to 1 inside over `width`, for a signed distance that is positive inside. */
double ph_edge(double inside, double width);
/* The voxels that `share` fills by half or more become `label`; their number is returned. */
int64_t ph_label(const float *share, int64_t n, float label, float *mask);

/* --- phantoms ---------------------------------------------------------------------------------------------------- */

/* One case to be made; the tables are those of the whole cohort. */
typedef struct ph_job {
    const char *folder, *id;
    uint64_t    seed;
    int         index, size[3], bits;
    double      spacing[3];
    bool        positive; /* has what its kind is about */
    GString    *labels, *objects, *manifest;
} ph_job;

/* DIR/<id><tail>, or in its folder `masks` or `truth` */
char *ph_path(const ph_job *job, const char *folder, const char *tail);
/* A number as text, the same in every locale, after a comma. */
void ph_append(GString *table, int digits, double value);

/* What each kind writes into its tables: the heads of labels.csv and objects.csv. */
extern const char ph_nodules_labels[], ph_nodules_objects[], ph_prior_labels[], ph_prior_objects[], ph_tumour_labels[], ph_tumour_objects[],
    ph_xray_labels[], ph_xray_objects[], ph_fundus_labels[], ph_fundus_objects[];

bool ph_make_nodules(const ph_job *job, GError **error);
bool ph_make_prior(const ph_job *job, GError **error);
bool ph_make_tumour(const ph_job *job, GError **error);
bool ph_make_xray(const ph_job *job, GError **error);
bool ph_make_fundus(const ph_job *job, GError **error);

#endif
