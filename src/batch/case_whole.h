/* Is all of a case there, and has it stopped changing? */
#ifndef MT_CASE_WHOLE_H
#define MT_CASE_WHOLE_H

#include <microtome/api.h>

/* Names, sizes, times and inodes of all files of the case: the same text, the same files.  *missing: the first file that is wanted and not
 * there, or empty (NULL: whole); free with g_free.  NULL: the case is gone. */
char *mt_case_whole_look(const char *path, char **missing);

#endif
