#include "src/encoder/precision_choice.h"

#include "src/encoder/card_words.h"
#include "src/encoder/encoder_private.h"

/* The fastest first. */
static const mt_precision faster[] = {MT_PRECISION_INT8, MT_PRECISION_BF16};

static const char *const missing[] = {[MT_PRECISION_FP32] = "this CPU computes in it",
                                      [MT_PRECISION_BF16] = "this CPU has no AVX-512 BF16",
                                      [MT_PRECISION_INT8] = "this CPU has no AVX-512 VNNI"};

const char *mt_precision_why_slow(mt_precision precision)
{
    return mt_precision_is_native(precision) ? NULL : missing[precision];
}

static const char *why_not(const mt_precision_facts *facts, mt_precision precision)
{
    if (precision == MT_PRECISION_INT8 && !facts->quantized)
        return "the model is not quantised";
    if (!facts->verified[precision])
        return facts->other_model ? "the card's verified= is of another model file" : "the card does not list it as verified";
    return facts->native[precision] ? NULL : missing[precision];
}

mt_precision mt_precision_choose(const mt_precision_facts *facts, char **why)
{
    g_autoptr(GString) reasons = g_string_new(NULL);
    mt_precision chosen = MT_PRECISION_FP32;

    for (size_t i = 0; chosen == MT_PRECISION_FP32 && i < G_N_ELEMENTS(faster); i++) {
        const char *reason = why_not(facts, faster[i]);
        if (reason == NULL)
            chosen = faster[i];
        else
            g_string_append_printf(reasons, "%s%s: %s", reasons->len > 0 ? "; " : "", mt_precision_name(faster[i]), reason);
    }
    if (why != NULL)
        *why = g_strdup(reasons->str);
    return chosen;
}

static bool of_other_model(const mt_encoder *encoder)
{
    const char *hash = encoder->card->verified_sha256;

    return hash != NULL && g_ascii_strcasecmp(hash, mt_model_sha256(encoder->model)) != 0;
}

bool mt_encoder_is_verified(const mt_encoder *encoder, mt_precision precision)
{
    const char *const *listed = (const char *const *)encoder->card->verified;

    if (precision == MT_PRECISION_FP32)
        return true;
    return listed != NULL && g_strv_contains(listed, mt_precision_name(precision)) && !of_other_model(encoder);
}

mt_precision mt_encoder_auto_precision(const mt_encoder *encoder, char **why)
{
    mt_precision_facts facts = {.quantized = mt_model_is_quantized(encoder->model),
                                .other_model = encoder->card->verified != NULL && of_other_model(encoder)};

    for (int p = 0; mt_card_precisions[p] != NULL; p++) {
        facts.verified[p] = mt_encoder_is_verified(encoder, (mt_precision)p);
        facts.native[p] = mt_precision_is_native((mt_precision)p);
    }
    return mt_precision_choose(&facts, why);
}
