/* One float32 matrix as torch.save writes it: a zip archive of a pickle that names the tensor, and its bytes.  Streamed. */
#ifndef MT_TORCH_FILE_H
#define MT_TORCH_FILE_H

#include <microtome/error.h>

typedef struct mt_torch_file mt_torch_file;

/* Published as `path` by mt_torch_file_commit.  MT_ERROR_LIMIT above 4 GiB, where the archive would need another form. */
mt_torch_file *mt_torch_file_begin(const char *path, int64_t rows, int64_t columns, GError **error);
bool           mt_torch_file_append(mt_torch_file *file, const float *rows, int64_t count, GError **error);
/* MT_ERROR_INTERNAL when not all rows have come. */
bool mt_torch_file_commit(mt_torch_file *file, bool replace, GError **error);
/* What was not committed is removed. */
void mt_torch_file_free(mt_torch_file *file);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_torch_file, mt_torch_file_free)

#endif
