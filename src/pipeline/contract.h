/* What the encoder's card asks of a case, against what the recipe wants: leaving the card is never silent. */
#ifndef MT_CONTRACT_H
#define MT_CONTRACT_H

#include <microtome/encoder.h>
#include <microtome/recipe.h>

#define MT_MPP_TOLERANCE 0.02    /* share by which a wanted µm/px may differ from the card's */
#define MT_COARSE_TOLERANCE 0.10 /* share by which a case may be coarser than wanted */

typedef struct mt_contract {
    int          tile_px; /* edge of the tile that is read */
    double       mpp;     /* wanted µm/px; 0: level 0 as it is */
    double       overlap;
    mt_compat    compat;
    int          patch_level;
    bool         whole_plane; /* the card's fit is not tiles */
    bool         off;         /* the recipe left the card */
    bool         off_allowed;
    double       card_mpp; /* 0: the card names none */
    char        *encoder;  /* its name, for messages */
    mt_precision precision;
} mt_contract;

/* MT_ERROR_USAGE when nothing names µm/px, or the recipe is more than 2 % (µm/px) or any pixel (tile) off the card's
 * without off_contract: both numbers are in the message. */
bool mt_contract_resolve(const mt_recipe *recipe, const mt_card *card, mt_contract *contract, GError **error);
/* contract->precision: the recipe's, where the card lists it as verified (else MT_ERROR_USAGE without off_contract; int8 of a model
 * that is not quantised is MT_ERROR_MODEL); `auto` follows the folder's where that is possible, and else is mt_encoder_auto_precision.
 * After mt_contract_resolve. */
bool mt_contract_choose_precision(const mt_recipe *recipe, const mt_encoder *encoder, mt_contract *contract, GError **error);
void mt_contract_clear(mt_contract *contract);
/* MT_ERROR_SPACING when the case is more than 10 % coarser than wanted, or level 0 is wanted as it is and lies more than 2 % off
 * the card's; with off_allowed *degraded is set instead. */
bool mt_contract_check_case(const mt_contract *contract, const mt_case *c, bool *degraded, GError **error);

#endif
