//! ECDSA signatures in the fixed-width format of JSON Web Tokens.

/// Length of each of the two integers of a P-256 signature, in bytes.
const P256_INTEGER_LENGTH: usize = 32;
/// Tags of X.690 section 8.
const INTEGER_TAG: u8 = 0x02;
const SEQUENCE_TAG: u8 = 0x30;

/// Converts a P-256 signature from DER, a sequence of two integers (RFC 3279 section 2.2.3), to two integers of fixed
/// width (RFC 7518 section 3.4). Returns `None` for any other input.
///
/// The library can do this as well, through integers of arbitrary size; that takes 2 % of the signing time.
pub(super) fn der_to_fixed(der: &[u8]) -> Option<[u8; 2 * P256_INTEGER_LENGTH]> {
    let (numbers, rest) = read_value(SEQUENCE_TAG, der)?;
    let (r, after_r) = read_value(INTEGER_TAG, numbers)?;
    let (s, after_s) = read_value(INTEGER_TAG, after_r)?;
    if !rest.is_empty() || !after_s.is_empty() {
        return None;
    }
    let mut out = [0; 2 * P256_INTEGER_LENGTH];
    let (first, second) = out.split_at_mut(P256_INTEGER_LENGTH);
    pad(r, first)?;
    pad(s, second)?;
    Some(out)
}

/// Reads a value with this tag; returns its content and the remaining input. All lengths in a signature fit into one
/// byte.
fn read_value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([found, length], rest) = der.split_first_chunk()?;
    if *found != tag || *length > 0x7f {
        return None;
    }
    rest.split_at_checked(usize::from(*length))
}

/// Writes a positive integer, aligned to the right. A leading zero byte only marks it as positive.
fn pad(number: &[u8], out: &mut [u8]) -> Option<()> {
    let magnitude = match number {
        [0, magnitude @ ..] => magnitude,
        [first, ..] if *first < 0x80 => number,
        _ => return None,
    };
    let begin = out.len().checked_sub(magnitude.len())?;
    out[begin..].copy_from_slice(magnitude);
    Some(())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    };

    use super::der_to_fixed;

    #[test]
    fn the_converted_signature_is_valid() {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref().to_vec());
        // Enough signatures that some contain integers shorter than the others.
        for message in 0..2_000_u32 {
            let message = message.to_be_bytes();
            let signature = pair.sign(&SystemRandom::new(), &message).unwrap();
            public.verify(&message, &der_to_fixed(signature.as_ref()).unwrap()).unwrap();
        }
    }

    #[test]
    fn short_integers_are_padded_and_sign_bytes_are_removed() {
        let converted = der_to_fixed(&[0x30, 0x07, 0x02, 0x01, 0x05, 0x02, 0x02, 0x00, 0x80]).unwrap();
        let mut expected = [0; 64];
        (expected[31], expected[63]) = (0x05, 0x80);
        assert_eq!(converted, expected);
    }

    #[test]
    fn anything_but_two_positive_integers_is_rejected() {
        let too_wide = [&[0x30, 0x26, 0x02, 0x21][..], &[0x01; 33], &[0x02, 0x01, 0x01]].concat();
        let broken: [&[u8]; 8] = [
            &[],
            &[0x30],
            &[0x31, 0x06, 0x02, 0x01, 0x05, 0x02, 0x01, 0x05],
            &[0x30, 0x06, 0x02, 0x01, 0x05, 0x02, 0x01],
            &[0x30, 0x06, 0x02, 0x01, 0x05, 0x02, 0x01, 0x05, 0x00],
            &[0x30, 0x06, 0x02, 0x01, 0x85, 0x02, 0x01, 0x05],
            &[0x30, 0x05, 0x02, 0x00, 0x02, 0x01, 0x05],
            &too_wide,
        ];
        for der in broken {
            assert_eq!(der_to_fixed(der), None, "{der:02x?}");
        }
    }
}
