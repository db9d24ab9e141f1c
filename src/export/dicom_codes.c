#include "src/export/dicom_codes.h"

#include "src/base/hash.h"

#include <string.h>

typedef struct coded {
    const char *words, *value, *meaning; /* words: "|" between */
    bool        abnormal;
} coded;

static const coded CODES[] = {
    {"aorta", "15825003", "Aorta", false},
    {"bladder|urinary bladder", "89837001", "Urinary bladder", false},
    {"bone", "272673000", "Bone", false},
    {"brain", "12738006", "Brain", false},
    {"breast", "76752008", "Breast", false},
    {"gallbladder|gall bladder", "28231008", "Gallbladder", false},
    {"heart", "80891009", "Heart", false},
    {"kidney|kidneys", "64033007", "Kidney", false},
    {"liver", "10200004", "Liver", false},
    {"lung|lungs", "39607008", "Lung", false},
    {"nucleus|nuclei|cell nucleus", "84640000", "Nucleus", false},
    {"pancreas", "15776009", "Pancreas", false},
    {"prostate", "41216001", "Prostate", false},
    {"spleen", "78961009", "Spleen", false},
    {"stomach", "69695003", "Stomach", false},
    {"thyroid", "69748006", "Thyroid", false},
    {"tissue", "85756007", "Tissue", false},
    {"cyst", "367643001", "Cyst", true},
    {"edema|oedema", "79654002", "Edema", true},
    {"haemorrhage|hemorrhage|bleeding|blood", "50960005", "Hemorrhage", true},
    {"infarct|infarction", "55641003", "Infarct", true},
    {"lesion|lesions", "52988006", "Lesion", true},
    {"mass", "4147007", "Mass", true},
    {"necrosis", "6574001", "Necrosis", true},
    {"neoplasm|tumor|tumour|cancer|carcinoma", "108369006", "Neoplasm", true},
    {"nodule|nodules", "27925004", "Nodule", true},
    {"pleural effusion|effusion", "60046008", "Pleural effusion", true},
    {"pneumonia", "233604007", "Pneumonia", true},
    {"pneumothorax", "36118008", "Pneumothorax", true},
};

/* Lower case, one blank between words, no side. */
static char *plain(const char *label)
{
    g_autofree char *lower = g_utf8_strdown(label, -1);
    GString         *words = g_string_new(NULL);
    g_auto(GStrv) parts = g_strsplit_set(lower, " _-./", -1);

    for (char **part = parts; *part != NULL; part++)
        if (**part != '\0' && strcmp(*part, "left") != 0 && strcmp(*part, "right") != 0)
            g_string_append_printf(words, "%s%s", words->len > 0 ? " " : "", *part);
    return g_string_free(words, FALSE);
}

static char *cut(const char *text, size_t bytes)
{
    size_t n = strlen(text);

    for (n = MIN(n, bytes); n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
        n--;
    char *out = g_strndup(text, n);
    for (char *c = out; *c != '\0'; c++)
        if (*c == '\\' || g_ascii_iscntrl(*c))
            *c = ' ';
    return out;
}

mt_dicom_code mt_dicom_code_of(const char *label)
{
    g_autofree char *valid = g_utf8_make_valid(label, -1), *words = plain(valid);
    mt_dicom_code    code = {.scheme = MT_DICOM_PRIVATE_SCHEME};

    for (size_t i = 0; i < G_N_ELEMENTS(CODES); i++) {
        g_auto(GStrv) names = g_strsplit(CODES[i].words, "|", -1);
        if (!g_strv_contains((const char *const *)names, words))
            continue;
        g_strlcpy(code.value, CODES[i].value, sizeof code.value);
        code.scheme = "SCT";
        code.meaning = g_strdup(CODES[i].meaning);
        code.abnormal = CODES[i].abnormal;
        return code;
    }
    /* the same label has the same code in every object */
    g_autofree char *sha256 = mt_hash_bytes(valid, strlen(valid));
    g_snprintf(code.value, sizeof code.value, "L%.12s", sha256);
    code.meaning = *valid != '\0' ? cut(valid, 64) : g_strdup("unnamed");
    return code;
}

void mt_dicom_code_clear(mt_dicom_code *code)
{
    g_clear_pointer(&code->meaning, g_free);
}
