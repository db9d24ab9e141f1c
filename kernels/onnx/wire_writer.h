/* Fields of protocol buffer messages, appended to an array of bytes. */
#ifndef MT_WIRE_WRITER_H
#define MT_WIRE_WRITER_H

#include <glib.h>
#include <stdint.h>

void mt_wire_put_varint(GByteArray *message, uint64_t value);
void mt_wire_put_int(GByteArray *message, uint32_t field, int64_t value);
void mt_wire_put_float(GByteArray *message, uint32_t field, float value);
/* The key and length of a field whose `bytes` bytes the caller writes next. */
void mt_wire_put_length(GByteArray *message, uint32_t field, uint64_t bytes);
void mt_wire_put_bytes(GByteArray *message, uint32_t field, const void *data, size_t bytes);
void mt_wire_put_text(GByteArray *message, uint32_t field, const char *text);
/* A message inside a message; empties `inner`. */
void mt_wire_put_message(GByteArray *message, uint32_t field, GByteArray *inner);

#endif
