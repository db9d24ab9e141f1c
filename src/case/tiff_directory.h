/* A TIFF directory of tiles: where its stored tiles lie and how they are packed.  Read once with libtiff, then constant. */
#ifndef MT_TIFF_DIRECTORY_H
#define MT_TIFF_DIRECTORY_H

#include <microtome/case.h>
#include <microtome/error.h>

#define MT_TIFF_JP2K_YCBCR 33003 /* Aperio's JPEG 2000 codestreams */
#define MT_TIFF_JP2K_RGB 33005

typedef struct mt_tiff_directory {
    uint64_t  offset; /* of the directory in the file */
    uint32_t  width, height;
    uint32_t  tile_width, tile_height, tiles_across, n_tiles;
    uint16_t  compression, photometric;
    bool      decodable;    /* 8-bit RGB after decoding, by a codec of tile_decoder.h */
    bool      has_holes;    /* tiles of zero bytes */
    uint64_t *tile_offsets; /* n_tiles; NULL unless decodable */
    uint32_t *tile_bytes;   /* n_tiles; 0: nothing stored */
    uint8_t  *jpeg_tables;  /* NULL: none */
    uint32_t  jpeg_tables_bytes;
    int       first; /* the index of the main directory it belongs to; a sub-directory has its parent's */
} mt_tiff_directory;

void mt_tiff_directory_free(void *directory);

/* All tiled directories, sub-directories behind their parent: GPtrArray of mt_tiff_directory.  NULL for what libtiff does not
 * open.  *description: that of the first directory, NULL where it has none (free with g_free). */
GPtrArray *mt_tiff_directories_read(const char *path, char **description);

/* The first directory of the level's size; NULL: none. */
const mt_tiff_directory *mt_tiff_directory_of_size(const GPtrArray *directories, const mt_level *level);
bool                     mt_tiff_directory_is_jpeg(const mt_tiff_directory *directory);

/* libtiff: one complaint of its own, kept; nothing printed.  Free with mt_tiff_handle_free. */
typedef struct mt_tiff_handle mt_tiff_handle;
mt_tiff_handle               *mt_tiff_handle_open(const char *path);
void                          mt_tiff_handle_free(void *handle);
/* The TIFF * of it. */
void *mt_tiff_handle_get(mt_tiff_handle *handle);
/* The first complaint since it was last forgotten, "" when there is none. */
const char *mt_tiff_handle_problem(const mt_tiff_handle *handle);
void        mt_tiff_handle_forget(mt_tiff_handle *handle);

#endif
