/* The cases of a folder, and those that a pattern means. */
#ifndef MT_CASE_LISTING_H
#define MT_CASE_LISTING_H

#include <microtome/error.h>

/* Append the cases in and below `folder` to `paths`, by name: files whose endings a backend takes; a slide of several files (MIRAX, VMS,
 * NIfTI pairs, a folder of DICOM files) once, by the path that opens it.  Plain pictures (PNG, JPEG, ..) are cases where there is nothing else.  Hidden files and output folders of microtome are passed over.
 * Append "name (why)" to `skipped` for every other file that was left out.  Elements are char *.  MT_ERROR_IO when a folder cannot be
 * listed: its slides would be lost. */
bool mt_case_listing_folder(const char *folder, GPtrArray *paths, GPtrArray *skipped, GError **error);
/* The same for recipes that choose among series: a folder whose DICOM files, in and below it, are of one study (StudyInstanceUID, of one file
 * of each folder) is one case, where nothing else below it could be one. */
bool mt_case_listing_studies(const char *folder, GPtrArray *paths, GPtrArray *skipped, GError **error);
/* `folder` holds the pixels of a MIRAX slide: that slide's path, else NULL; free with g_free. */
char *mt_case_listing_owner(const char *folder);
/* Is `text` a pattern of the shell (*, ?, [..]) rather than a file's name? */
bool mt_case_listing_is_pattern(const char *text);
/* Append the paths that match, by name.  MT_ERROR_MISSING when none does. */
bool mt_case_listing_pattern(const char *pattern, GPtrArray *paths, GError **error);

#endif
