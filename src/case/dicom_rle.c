/* RLE of PS3.5 annex G: one segment for each byte of each sample, the high byte first.  DCMTK's decoder reads past the end of a damaged
 * segment, so this one is ours. */
#include "src/case/dicom_codec.h"

#include <string.h>

#define HEADER_BYTES 64
#define MAX_SEGMENTS 15

static uint32_t offset_at(const uint8_t *bytes, int i)
{
    bytes += 4 * (size_t)i;
    return (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
}

/* PackBits: `n` bytes of the segment give `wanted` values, one each `step` bytes of `out`. */
static bool unpack(const uint8_t *segment, size_t n, uint8_t *out, int64_t wanted, int step)
{
    size_t  at = 0;
    int64_t done = 0;

    while (done < wanted && at < n) {
        int head = (int8_t)segment[at++];

        if (head == -128)
            continue;
        int64_t count = head >= 0 ? head + 1 : 1 - head, room = MIN(count, wanted - done);
        if (at + (head >= 0 ? (size_t)room : 1) > n)
            return false;
        for (int64_t i = 0; i < room; i++)
            out[(done + i) * step] = segment[head >= 0 ? at + (size_t)i : at];
        at += head >= 0 ? (size_t)count : 1;
        done += room;
    }
    return done == wanted;
}

bool mt_dicom_rle(const uint8_t *bytes, size_t n, const mt_dicom_picture *p, int sample_bytes, uint8_t *out, GError **error)
{
    int      segments = p->samples * sample_bytes, pixel_bytes = p->samples * sample_bytes;
    uint32_t claimed = n >= HEADER_BYTES ? offset_at(bytes, 0) : 0;

    if (segments > MAX_SEGMENTS || claimed != (uint32_t)segments) {
        g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "its RLE has %u segments, %d are wanted", claimed, segments);
        return false;
    }
    for (int s = 0; s < segments; s++) {
        uint32_t start = offset_at(bytes, 1 + s), end = s + 1 < segments ? offset_at(bytes, 2 + s) : (uint32_t)MIN(n, UINT32_MAX);
        /* the high byte comes first, and ours are little endian */
        int place = s / sample_bytes * sample_bytes + sample_bytes - 1 - s % sample_bytes;

        if (start < HEADER_BYTES || start > end || end > n ||
            !unpack(bytes + start, end - start, out + place, p->rows * p->columns, pixel_bytes)) {
            g_set_error(error, MT_ERROR, MT_ERROR_INPUT, "it cannot be decoded: RLE segment %d of %d is damaged or cut short", s + 1,
                        segments);
            return false;
        }
    }
    return true;
}
