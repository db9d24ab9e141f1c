/* The last member of a headline, "content_sha256": SHA-256 of the headline without it and of all that follows the user block.  A result
 * whose bytes changed on a disk or on the way is told from one that was written so. */
#ifndef MT_CONTENT_HASH_H
#define MT_CONTENT_HASH_H

#include <microtome/error.h>

/* `headline` (a JSON object on one line) with the hash put in, or as it is where that does not fit; `fd` is the whole file, its user block not yet written.  Free with g_free;
 * NULL with errno. */
char *mt_content_hash_put(int fd, const char *headline);
/* What mt_content_hash_put adds to a headline, in bytes. */
#define MT_CONTENT_HASH_BYTES 84

#endif
