#include "src/store/heap_block.h"

#include <string.h>

#define SIGNATURE_BYTES 8
#define PREFIX_BYTES 8 /* of a block: "GCOL", version; of an object: index, references; both padded */

static size_t up_to_8(size_t n)
{
    return (n + 7) / 8 * 8;
}

static uint64_t little_endian(const uint8_t *bytes, int n)
{
    uint64_t value = 0;

    for (int i = n - 1; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

int mt_heap_block_length_bytes(const uint8_t *bytes, size_t n)
{
    static const uint8_t signature[SIGNATURE_BYTES] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

    if (n < 16 || memcmp(bytes, signature, SIGNATURE_BYTES) != 0)
        return 0;
    int length_bytes = bytes[8] < 2 ? bytes[14] : bytes[10]; /* from version 2 on the superblock is shorter */
    return length_bytes == 2 || length_bytes == 4 || length_bytes == 8 ? length_bytes : 0;
}

bool mt_heap_block_sound(const uint8_t *bytes, size_t n, int length_bytes)
{
    size_t head = up_to_8(PREFIX_BYTES + (size_t)length_bytes); /* of the block and of each object alike */

    if (length_bytes == 0 || n < head || memcmp(bytes, "GCOL", 4) != 0)
        return true;
    uint64_t size = little_endian(bytes + PREFIX_BYTES, length_bytes);
    if (size > n)
        return true;
    for (uint64_t at = head; at < size && size - at >= head;) {
        uint64_t index = little_endian(bytes + at, 2), length = little_endian(bytes + at + PREFIX_BYTES, length_bytes);
        uint64_t left = size - at;

        if (length > left)
            return false;
        uint64_t step = index > 0 ? head + up_to_8((size_t)length) : length; /* index 0 is the room that is left, with its head */
        if (step == 0 || step > left)
            return false;
        at += step;
    }
    return true;
}
