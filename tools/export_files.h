/* `microtome export --to`: results as files for an archive, a viewer, an information system. */
#ifndef MT_EXPORT_FILES_H
#define MT_EXPORT_FILES_H

#include "tools/command.h"

#include <microtome/handover.h>

typedef struct mt_export_files {
    mt_handover_params params;
    const char        *sources, *manifest; /* folder, file or MANIFEST.csv; NULL */
} mt_export_files;

/* Each path written on a line; the exit code. */
int mt_export_files_run(const mt_command *command, char **paths, const mt_export_files *e);

#endif
