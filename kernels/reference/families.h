/* The families of operators; each array ends with an entry without a name. */
#ifndef MT_FAMILIES_H
#define MT_FAMILIES_H

#include "kernels/reference/operator.h"

extern const mt_operator mt_family_binary[];
extern const mt_operator mt_family_bitwise[];
extern const mt_operator mt_family_cast[];
extern const mt_operator mt_family_col2im[];
extern const mt_operator mt_family_conv[];
extern const mt_operator mt_family_conv_transpose[];
extern const mt_operator mt_family_crop_pad[];
extern const mt_operator mt_family_deform_conv[];
extern const mt_operator mt_family_det[];
extern const mt_operator mt_family_einsum[];
extern const mt_operator mt_family_fill[];
extern const mt_operator mt_family_fused[];
extern const mt_operator mt_family_fused_norm[];
extern const mt_operator mt_family_gather[];
extern const mt_operator mt_family_grid_sample[];
extern const mt_operator mt_family_join[];
extern const mt_operator mt_family_losses[];
extern const mt_operator mt_family_matmul[];
extern const mt_operator mt_family_norm[];
extern const mt_operator mt_family_order[];
extern const mt_operator mt_family_pad[];
extern const mt_operator mt_family_pool[];
extern const mt_operator mt_family_quantize[];
extern const mt_operator mt_family_reduce[];
extern const mt_operator mt_family_reshape[];
extern const mt_operator mt_family_resize[];
extern const mt_operator mt_family_roi_align[];
extern const mt_operator mt_family_scatter[];
extern const mt_operator mt_family_select[];
extern const mt_operator mt_family_signal[];
extern const mt_operator mt_family_slice[];
extern const mt_operator mt_family_softmax[];
extern const mt_operator mt_family_suppress[];
extern const mt_operator mt_family_transpose[];
extern const mt_operator mt_family_unary[];

#endif
