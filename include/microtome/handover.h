/* <microtome/handover.h>  Files that a stored result is handed over as: to an archive, a viewer, an information system, a printer.
 * One row a kind in src/export/handover.c, one file a writer.  No pixel of the source is decoded; its headers are read where an object has to
 * carry the patient's identity and the place of its voxels (docs/dicom_out.md).  One thread (HDF5). */
#ifndef MICROTOME_HANDOVER_H
#define MICROTOME_HANDOVER_H

#include <microtome/result.h>

G_BEGIN_DECLS

typedef struct mt_handover mt_handover;

typedef struct mt_handover_params {
    const char *kinds;    /* of mt_handover_kind_names(), commas between */
    const char *folder;   /* of the files <id>_<kind>.<ending>; made where it is not there */
    const char *language; /* of sentences: "en" (NULL) or "ko" */
    bool        replace;  /* files that exist; else the kind is refused */
} mt_handover_params;

/* What is known of the thing that a result was made from; all may be NULL. */
typedef struct mt_handover_source {
    const char *path;                            /* what `run` read: a file, or a DICOM folder */
    const char *patient, *study_uid, *accession; /* of the manifest: the identity of what is no DICOM */
} mt_handover_source;

/* "sr, seg, ..."; and a line each of name and what it is, for help. */
MT_PUBLIC const char *mt_handover_kind_names(void);
MT_PUBLIC const char *mt_handover_kind_lines(void);

/* MT_ERROR_USAGE for a kind or language that is none, MT_ERROR_IO. */
MT_PUBLIC mt_handover *mt_handover_new(const mt_handover_params *params, GError **error);
/* All kinds of one result, each published whole.  `written` takes the paths (char *), `refused` a GError for each kind that is not written
 * (one for all that want an identity, where there is none): MT_ERROR_INPUT for another source than the one that was read, for geometry that is not known, for a result that
 * has nothing of the kind; MT_ERROR_MISSING, MT_ERROR_USAGE for a file that exists, MT_ERROR_IO.  False when anything was refused. */
MT_PUBLIC bool mt_handover_add(mt_handover *self, const mt_result *result, const mt_handover_source *source, GPtrArray *written,
                               GPtrArray *refused);
/* The hash (mt_case_identity) of what the result was made from, also through stored features; NULL: it does not say.  Free with g_free. */
MT_PUBLIC char *mt_handover_source_sha256(const mt_result *result);
MT_PUBLIC void  mt_handover_free(mt_handover *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_handover, mt_handover_free)

G_END_DECLS

#endif
