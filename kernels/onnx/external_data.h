/* Weights that lie in files beside the model.  Only plain files below the model's own folder are followed: nothing absolute,
 * no "..", no symbolic or hard link. */
#ifndef MT_EXTERNAL_DATA_H
#define MT_EXTERNAL_DATA_H

#include <microtome/error.h>

typedef struct mt_external_data mt_external_data;

/* `folder` NULL: the model is in memory, and external data is refused. */
mt_external_data *mt_external_data_new(const char *folder);
void              mt_external_data_free(mt_external_data *external);
/* The model came from a file, which is mapped like those beside it. */
bool mt_external_data_has_folder(const mt_external_data *external);
/* `length` -1: to the end of the file.  Mapped once per file. */
GBytes *mt_external_data_slice(mt_external_data *external, const char *location, int64_t offset, int64_t length, GError **error);
/* Whole files, GBytes *, in the order of first use. */
GPtrArray *mt_external_data_files(mt_external_data *external);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_external_data, mt_external_data_free)

#endif
