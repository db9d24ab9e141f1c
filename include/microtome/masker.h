/* <microtome/masker.h>  A mask method made ready once for many cases: the model loaded, the file or folder found.
 * One thread at a time; the work of mt_masker_run is spread over OpenMP threads, and its result does not depend on their number. */
#ifndef MICROTOME_MASKER_H
#define MICROTOME_MASKER_H

#include <microtome/mask.h>

G_BEGIN_DECLS

typedef struct mt_masker mt_masker;

/* method as in mt_mask_new, NULL for the default of each case's kind.  MT_ERROR_USAGE for an unknown one, or a file of another type;
 * MT_ERROR_MISSING for a file, folder or model that is not there; MT_ERROR_MODEL for a model without a card or that contradicts it. */
MT_PUBLIC mt_masker *mt_masker_new(const char *method, GError **error);
MT_PUBLIC void       mt_masker_free(mt_masker *masker);
/* From now on find artefacts (bit 1u << kind of mt_artefact each) and take them out of the foreground; 0: none, as at first.  Rings
 * are then outlines of what is left, without classes; a case that is not 8-bit RGB gives MT_ERROR_INPUT. */
MT_PUBLIC void mt_masker_exclude(mt_masker *masker, unsigned artefacts);
/* id: the case's, for which a folder is searched before the stem of its file; NULL: the stem alone.  Beside the errors of mt_mask_new:
 * MT_ERROR_MISSING when a folder holds no file for the case, MT_ERROR_SPACING when a model cannot read the case at its µm/px. */
MT_PUBLIC mt_mask *mt_masker_run(mt_masker *masker, mt_case *c, const char *id, GError **error);
/* SHA-256 of the model, or of the one file for all cases; NULL for the other methods and for a folder. */
MT_PUBLIC const char *mt_masker_sha256(const mt_masker *masker);
/* What decides the mask, as lines key=value of a resolved recipe, method first; free with g_free. */
MT_PUBLIC char *mt_masker_text(const mt_masker *masker);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_masker, mt_masker_free)

G_END_DECLS

#endif
