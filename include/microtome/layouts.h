/* <microtome/layouts.h>  The folders of other tools, written from stored results: CLAM, TRIDENT, STAMP, wsinfer, AnnData.
 * No slide is opened; features pass through in blocks of a few MB.  What stands in which file: docs/layouts.md.  One thread (HDF5). */
#ifndef MICROTOME_LAYOUTS_H
#define MICROTOME_LAYOUTS_H

#include <microtome/result.h>

G_BEGIN_DECLS

typedef struct mt_layout_export mt_layout_export;

typedef struct mt_layout_params {
    const char *layout;    /* one of mt_layout_names() */
    const char *folder;    /* of all files; made where it is not there */
    const char *slide_ext; /* ".svs": what lists of slides have behind the names; NULL: nothing */
    const char *encoder;   /* as the other tool calls it; NULL: as the result does */
    bool        replace;   /* files that exist; else their result is refused */
} mt_layout_params;

/* "clam, trident, stamp, wsinfer, h5ad" */
MT_PUBLIC const char *mt_layout_names(void);
/* Whether its files hold scores, which a case that is withheld must not have told. */
MT_PUBLIC bool mt_layout_tells_scores(const char *layout);

/* MT_ERROR_USAGE for another layout or an extension that is none, MT_ERROR_IO. */
MT_PUBLIC mt_layout_export *mt_layout_export_new(const mt_layout_params *params, GError **error);
/* The files of one slide, each published whole, that which the other tool takes for done last; when one fails, those before it are removed.
 * MT_ERROR_INPUT where the layout cannot be true of this result, MT_ERROR_USAGE for a slide that is there already, MT_ERROR_IO.  The export
 * stays usable. */
MT_PUBLIC bool mt_layout_export_add(mt_layout_export *self, const mt_result *result, GError **error);
/* The files that list all slides, at the end: those that were added, and those that an earlier export had put there.  MT_ERROR_IO. */
MT_PUBLIC bool mt_layout_export_write_lists(mt_layout_export *self, GError **error);
MT_PUBLIC void mt_layout_export_free(mt_layout_export *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_layout_export, mt_layout_export_free)

G_END_DECLS

#endif
