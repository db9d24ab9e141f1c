/* summary.csv of a whole folder: every case of its manifest, whoever ran it. */
#ifndef MT_SUMMARY_H
#define MT_SUMMARY_H

#include <microtome/folder.h>

/* Returns its path; free with g_free.  MT_ERROR_IO. */
char *mt_folder_summary(const mt_folder *folder, GError **error);

#endif
