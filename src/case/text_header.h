/* Headers of MetaImage and NRRD: lines of "key = value" or "key: value", then voxels, here or in a file beside. */
#ifndef MT_TEXT_HEADER_H
#define MT_TEXT_HEADER_H

#include "src/case/voxel_file.h"

typedef struct mt_text_header mt_text_header;

/* What tells the two apart. */
typedef struct mt_text_syntax {
    const char *separator;    /* "=" or ":" */
    const char *last_key;     /* the header ends with this key's line; NULL: with an empty line, or the file */
    const char *comment;      /* lines that begin so say nothing; NULL: none */
    const char *data_keys[3]; /* one of these names the file of the voxels */
} mt_text_syntax;

/* MT_ERROR_INPUT for a line that is none of these, a key that stands twice, a header that does not end within 1 MiB. */
mt_text_header *mt_text_header_read(const char *path, const mt_text_syntax *syntax, GError **error);
void            mt_text_header_free(mt_text_header *header);
/* Where the bytes after the header begin. */
int64_t mt_text_header_bytes(const mt_text_header *header);
/* NULL when the header has no such key.  Keys are compared without regard to case, spaces, '-' and '_'. */
const char *mt_text_header_value(const mt_text_header *header, const char *key);
/* The file beside the header that holds the voxels; NULL: they are in the header's own.  A name with a folder, a list or a pattern is
 * refused. */
bool mt_text_header_data_path(const mt_text_header *header, char **path, GError **error);

/* Exactly n finite numbers; false with the key and its value otherwise.  Brackets and commas count as spaces. */
bool mt_text_header_numbers(const mt_text_header *header, const char *key, double *numbers, int n, GError **error);
/* Whole numbers of 1 and more, as many as there are up to `most`; their product within the limit on voxels. */
bool mt_text_header_sizes(const mt_text_header *header, const char *key, int64_t *sizes, int n, GError **error);

/* The data file that the header of a case names, for its identity; NULL: it is one file, or unreadable. */
char *mt_text_header_beside(const char *path);

extern const mt_text_syntax mt_metaimage_syntax, mt_nrrd_syntax;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(mt_text_header, mt_text_header_free)

#endif
