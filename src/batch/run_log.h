/* runs/<time>-<host>-<pid>.jsonl as it is read back: which run works on which case, and what came out. */
#ifndef MT_RUN_LOG_H
#define MT_RUN_LOG_H

#include <microtome/folder.h>

/* The case of an id; a new one is made for an id that nobody named before. */
typedef mt_folder_case *(*mt_find_case)(void *user, const char *id);

/* All logs of the folder, the oldest first, into its runs and cases.  A line that is damaged (the last one of a killed run) is left out. */
void mt_run_log_read_all(mt_folder *folder, mt_find_case find, void *user);
void mt_folder_run_free(mt_folder_run *run);

#endif
