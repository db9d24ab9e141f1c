/* The files of an exam's sequences in a folder, by their names. */
#ifndef MT_SEQUENCE_FILES_H
#define MT_SEQUENCE_FILES_H

#include <microtome/error.h>

/* For each role ("t1c") the one file or sub-folder of `folder` that is called so, or ends in it after one of _ - . and a space: t1c.nii.gz,
 * sub-01_T1c.nii.gz; upper and lower case are the same.  MT_ERROR_MISSING when a role has none, MT_ERROR_INPUT when it has several: named.
 * As many paths as roles, NULL-terminated. */
char **mt_sequence_files(const char *folder, const char *const *roles, GError **error);

#endif
