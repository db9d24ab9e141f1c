#include "kernels/reference/float8.h"

#include <glib.h>
#include <math.h>

/* Sign, exponent, mantissa; `unsigned_zero`: the code of -0 is NaN and there is no infinity. */
typedef struct {
    int    mantissa, bias;
    bool   unsigned_zero, infinite;
    double most;
} layout;

static layout layout_of(mt_dtype dtype)
{
    switch (dtype) {
    case MT_F8_E4M3FN:
        return (layout){3, 7, false, false, 448};
    case MT_F8_E4M3FNUZ:
        return (layout){3, 8, true, false, 240};
    case MT_F8_E5M2:
        return (layout){2, 15, false, true, 57344};
    default:
        return (layout){2, 16, true, false, 57344};
    }
}

bool mt_dtype_is_float8(mt_dtype dtype)
{
    return dtype == MT_F8_E4M3FN || dtype == MT_F8_E4M3FNUZ || dtype == MT_F8_E5M2 || dtype == MT_F8_E5M2FNUZ;
}

double mt_float8_decode(mt_dtype dtype, uint8_t code)
{
    layout l = layout_of(dtype);
    int    exponent = (code & 0x7f) >> l.mantissa, mantissa = code & ((1 << l.mantissa) - 1);
    double size =
        exponent == 0 ? ldexp(mantissa, 1 - l.bias - l.mantissa) : ldexp(mantissa + (1 << l.mantissa), exponent - l.bias - l.mantissa);

    if (l.unsigned_zero && code == 0x80)
        return NAN;
    if (!l.unsigned_zero && size > l.most) /* the codes past the largest number */
        size = l.infinite && mantissa == 0 ? INFINITY : NAN;
    return (code & 0x80) != 0 ? -size : size;
}

uint8_t mt_float8_encode(mt_dtype dtype, double value, bool saturate)
{
    layout  l = layout_of(dtype);
    uint8_t sign = signbit(value) ? 0x80 : 0, nan = l.unsigned_zero ? 0x80 : (uint8_t)(sign | 0x7f);
    double  size = fabs(value);
    int     exponent;

    if (isnan(value))
        return nan;
    frexp(MIN(size, 1e30), &exponent);
    exponent = MAX(exponent - 1, 1 - l.bias);
    double steps = nearbyint(ldexp(MIN(size, 1e30), l.mantissa - exponent));
    if (ldexp(steps, exponent - l.mantissa) > l.most) {
        if (!saturate)
            return l.infinite ? (uint8_t)(sign | 0x7c) : nan;
        return mt_float8_encode(dtype, sign != 0 ? -l.most : l.most, true);
    }
    if (steps >= 2 << l.mantissa) {
        steps /= 2;
        exponent++;
    }
    int code = (int)steps; /* steps of a normal number hold its leading 1 */
    if (code >= 1 << l.mantissa)
        code += (exponent + l.bias - 1) << l.mantissa;
    return code == 0 && l.unsigned_zero ? 0 : (uint8_t)(sign | code);
}
