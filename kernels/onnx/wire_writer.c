#include "kernels/onnx/wire_writer.h"

#include <string.h>

enum { VARINT = 0, DELIMITED = 2, FIXED32 = 5 };

void mt_wire_put_varint(GByteArray *message, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 127) | (value > 127 ? 128 : 0));

        g_byte_array_append(message, &byte, 1);
        value >>= 7;
    } while (value > 0);
}

static void put_key(GByteArray *message, uint32_t field, uint32_t type)
{
    mt_wire_put_varint(message, (uint64_t)field << 3 | type);
}

void mt_wire_put_int(GByteArray *message, uint32_t field, int64_t value)
{
    put_key(message, field, VARINT);
    mt_wire_put_varint(message, (uint64_t)value);
}

void mt_wire_put_float(GByteArray *message, uint32_t field, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    bits = GUINT32_TO_LE(bits);
    put_key(message, field, FIXED32);
    g_byte_array_append(message, (const guint8 *)&bits, sizeof bits);
}

void mt_wire_put_length(GByteArray *message, uint32_t field, uint64_t bytes)
{
    put_key(message, field, DELIMITED);
    mt_wire_put_varint(message, bytes);
}

void mt_wire_put_bytes(GByteArray *message, uint32_t field, const void *data, size_t bytes)
{
    mt_wire_put_length(message, field, bytes);
    if (bytes > 0)
        g_byte_array_append(message, data, (guint)bytes);
}

void mt_wire_put_text(GByteArray *message, uint32_t field, const char *text)
{
    mt_wire_put_bytes(message, field, text, strlen(text));
}

void mt_wire_put_message(GByteArray *message, uint32_t field, GByteArray *inner)
{
    mt_wire_put_bytes(message, field, inner->data, inner->len);
    g_byte_array_set_size(inner, 0);
}
