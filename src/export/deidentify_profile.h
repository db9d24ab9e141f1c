/* What becomes of each attribute of a DICOM file: a table of rows, the built-in one or one that a site has written. */
#ifndef MT_DEIDENTIFY_PROFILE_H
#define MT_DEIDENTIFY_PROFILE_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef enum mt_deidentify_action {
    MT_DEIDENTIFY_DEFAULT, /* by the value's kind (deidentify_profile.txt) */
    MT_DEIDENTIFY_KEEP,
    MT_DEIDENTIFY_REMOVE,
    MT_DEIDENTIFY_EMPTY,
    MT_DEIDENTIFY_DUMMY,
    MT_DEIDENTIFY_UID
} mt_deidentify_action;

/* A part of the picture that a device writes into: black in the output. */
typedef struct mt_deidentify_pixels {
    char   *modality, *manufacturer, *model; /* "*": any; manufacturer and model: whole, without case */
    int64_t rows, columns;
    GArray *boxes; /* int64_t[4]: x, y, width, height; none: nothing is written into the picture */
} mt_deidentify_pixels;

typedef struct mt_deidentify_profile mt_deidentify_profile;

/* `path` NULL: the built-in table.  A site's rows come before the built-in ones; lines "pixels MODALITY MANUFACTURER MODEL COLUMNSxROWS X,Y,W,H ..." say
 * what to blacken ("_" for a blank, "none" for nothing).  MT_ERROR_INPUT names the line that is none. */
mt_deidentify_profile *mt_deidentify_profile_load(const char *path, GError **error);
void                   mt_deidentify_profile_free(mt_deidentify_profile *profile);
mt_deidentify_action   mt_deidentify_profile_action(const mt_deidentify_profile *profile, unsigned group, unsigned element,
                                                    bool *identifying);
/* NULL: nothing is said of such pictures. */
const mt_deidentify_pixels *mt_deidentify_profile_pixels(const mt_deidentify_profile *profile, const char *modality,
                                                         const char *manufacturer, const char *model, int64_t columns, int64_t rows);
int                         mt_deidentify_profile_rows(const mt_deidentify_profile *profile);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_deidentify_profile, mt_deidentify_profile_free)

G_END_DECLS

#endif
