/* Blocks of texts as HDF5 stores them: sound ones, and those whose walk does not end or leaves the block. */
#include "src/store/heap_block.h"

#include <glib.h>
#include <string.h>

#define BLOCK 96

/* "GCOL", version 1, the size; then objects of (index, length), with texts of any bytes. */
static size_t make(uint8_t *block, uint64_t size, int n, const uint64_t (*objects)[2])
{
    size_t at = 16;

    memset(block, 0, BLOCK);
    memcpy(block, "GCOL\1", 5);
    memcpy(block + 8, &size, 8);
    for (int i = 0; i < n && at + 16 <= BLOCK; i++) {
        memcpy(block + at, &objects[i][0], 2);
        memcpy(block + at + 8, &objects[i][1], 8);
        at += objects[i][0] == 0 ? objects[i][1] : 16 + (objects[i][1] + 7) / 8 * 8;
    }
    return at;
}

static void test_sound(void)
{
    static const uint64_t texts[][2] = {{1, 5}, {2, 8}, {0, 32}}, whole[][2] = {{1, 64}};
    uint8_t               block[BLOCK];

    g_assert_cmpuint(make(block, BLOCK, 3, texts), ==, BLOCK);
    g_assert_true(mt_heap_block_sound(block, BLOCK, 8));
    g_assert_cmpuint(make(block, BLOCK, 1, whole), ==, BLOCK);
    g_assert_true(mt_heap_block_sound(block, BLOCK, 8));
    g_assert_true(mt_heap_block_sound(block, BLOCK - 8, 8)); /* HDF5 reads the rest before it walks */
    g_assert_true(mt_heap_block_sound(block, 5, 8));
    g_assert_true(mt_heap_block_sound((const uint8_t *)"values of an array", 18, 8));
}

static void test_unsound(void)
{
    static const uint64_t endless[][2] = {{1, 5}, {0, 0}}, outside[][2] = {{1, 65}}, wraps[][2] = {{1, UINT64_MAX}}, far[][2] = {{0, 200}};
    uint8_t               block[BLOCK];

    make(block, BLOCK, 2, endless);
    g_assert_false(mt_heap_block_sound(block, BLOCK, 8));
    make(block, BLOCK, 1, outside);
    g_assert_false(mt_heap_block_sound(block, BLOCK, 8));
    make(block, BLOCK, 1, wraps);
    g_assert_false(mt_heap_block_sound(block, BLOCK, 8));
    make(block, BLOCK, 1, far);
    g_assert_false(mt_heap_block_sound(block, BLOCK, 8));
}

static void test_length_bytes(void)
{
    uint8_t superblock[16] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

    superblock[14] = 4;
    g_assert_cmpint(mt_heap_block_length_bytes(superblock, 16), ==, 4);
    superblock[8] = 2, superblock[10] = 8;
    g_assert_cmpint(mt_heap_block_length_bytes(superblock, 16), ==, 8);
    superblock[10] = 77;
    g_assert_cmpint(mt_heap_block_length_bytes(superblock, 16), ==, 0);
    g_assert_cmpint(mt_heap_block_length_bytes(superblock, 8), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/heap-block/sound", test_sound);
    g_test_add_func("/heap-block/unsound", test_unsound);
    g_test_add_func("/heap-block/length-bytes", test_length_bytes);
    return g_test_run();
}
