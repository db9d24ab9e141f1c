/* <microtome/deidentify.h>  Copies of DICOM files and tiled slides without what says whose they are, after DICOM PS3.15 Annex E (Basic Application
 * Level Confidentiality Profile); each copy is read again and searched for what was taken out before it appears. */
#ifndef MICROTOME_DEIDENTIFY_H
#define MICROTOME_DEIDENTIFY_H

#include <microtome/error.h>

G_BEGIN_DECLS

typedef enum mt_deidentify_outcome {
    MT_DEIDENTIFY_WRITTEN,
    MT_DEIDENTIFY_LEFT_OUT, /* a label, an overview, a DICOMDIR, a file of another kind in a folder: nothing is wrong */
    MT_DEIDENTIFY_REFUSED
} mt_deidentify_outcome;

/* What became of one file; strings live during the call. */
typedef struct mt_deidentify_event {
    const char           *input;  /* the path: it may name somebody */
    const char           *output; /* below the folder; NULL: nothing was written */
    mt_deidentify_outcome outcome;
    const char           *words; /* why it was refused or left out, what was done to its pictures; NULL */
} mt_deidentify_event;

typedef struct mt_deidentify_params {
    const char *const *paths;   /* files, and folders with all that lies below them; ends with NULL */
    const char        *out;     /* folder; files that are there stay */
    const char        *profile; /* a site's rows before the built-in ones; NULL: none */
    const char *key_file; /* of pseudonyms, UIDs and shifted dates: read, or made where it is not there; NULL: another key each call */
    const char *links;    /* CSV of which is which, for its owner alone; NULL: none */
    bool        shift_dates, keep_descriptions, keep_characteristics, allow_burned_in;
    void (*event)(void *user, const mt_deidentify_event *event); /* may be NULL */
    bool (*progress)(void *user, int64_t done, int64_t total);   /* may be NULL; false stops */
    void *user;
} mt_deidentify_params;

typedef struct mt_deidentify_counts {
    int64_t files, written, left_out, refused;
} mt_deidentify_counts;

/* Writes DIR/PSEUDONYM/SERIES/INSTANCE.dcm, DIR/PSEUDONYM.tif or .svs, and DIR/report.csv: attributes by tag and name, never a value.  MT_ERROR_MISSING
 * for a path, MT_ERROR_USAGE for files without DICOM support in this build; a file that is refused is counted and the others go on.  MT_ERROR_IO,
 * MT_ERROR_STOPPED. */
MT_PUBLIC bool mt_deidentify(const mt_deidentify_params *params, mt_deidentify_counts *counts, GError **error);

G_END_DECLS

#endif
