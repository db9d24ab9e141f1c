/* JPEG tiles of a TIFF as files of their own: tables and stream joined, marker by marker. */
#include "src/case/stored_tile.h"

#include <string.h>
#include <tiff.h>

enum { SOI = 0xd8, EOI = 0xd9, SOS = 0xda, APP0 = 0xe0, APP15 = 0xef, COM = 0xfe };

/* Adobe's segment: three colours that were not transformed (T.872 6.5.3). */
static const uint8_t PLAIN_RGB[] = {0xff, 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0};

/* Append the segments up to SOS without what names the scanner or its patient; the bytes from SOS on in *scan.  False: not a stream of segments. */
static bool take_segments(GByteArray *out, const uint8_t *bytes, size_t n, size_t *scan)
{
    size_t at = 2;

    if (n < 4 || bytes[0] != 0xff || bytes[1] != SOI)
        return false;
    for (;;) {
        while (at + 1 < n && bytes[at] == 0xff && bytes[at + 1] == 0xff)
            at++;
        *scan = at;
        if (at + 2 > n || bytes[at] != 0xff)
            return false;
        if (bytes[at + 1] == EOI || bytes[at + 1] == SOS)
            return true;
        if (at + 4 > n)
            return false;
        size_t size = 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);
        bool   named = (bytes[at + 1] >= APP0 && bytes[at + 1] <= APP15) || bytes[at + 1] == COM;
        if (size < 4 || at + size > n)
            return false;
        if (!named)
            g_byte_array_append(out, bytes + at, (guint)size);
        at += size;
    }
}

GBytes *mt_stored_tile_jpeg(const mt_tiff_directory *directory, const uint8_t *bytes, size_t n)
{
    static const uint8_t start[] = {0xff, SOI};
    g_autoptr(GByteArray) out = g_byte_array_sized_new((guint)n + directory->jpeg_tables_bytes + 32);
    size_t scan = 0;

    g_byte_array_append(out, start, sizeof start);
    if (directory->photometric != PHOTOMETRIC_YCBCR)
        g_byte_array_append(out, PLAIN_RGB, sizeof PLAIN_RGB);
    if (directory->jpeg_tables != NULL && !take_segments(out, directory->jpeg_tables, directory->jpeg_tables_bytes, &scan))
        return NULL;
    if (!take_segments(out, bytes, n, &scan) || bytes[scan + 1] != SOS)
        return NULL;
    g_byte_array_append(out, bytes + scan, (guint)(n - scan));
    return g_byte_array_free_to_bytes(g_steal_pointer(&out));
}
