/* One parser of foreign bytes under test: libFuzzer calls it with made-up bytes, replay.c with the files of the corpus. */
#ifndef MT_FUZZ_TARGET_H
#define MT_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* Whatever the bytes are: no crash, no leak, no hang.  Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called once before the first. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* The bytes as a file, for parsers that want a path; valid until the next call.  The name ends in `ending`. */
const char *fuzz_file_write(const uint8_t *data, size_t size, const char *ending);
void        fuzz_file_remove(void);

#endif
