//! ECDSA signatures as tokens write them.

/// How long each of the two numbers is, for P-256.
const WIDTH: usize = 32;
/// The tags of X.690 section 8.
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// A signature by P-256 as RFC 7518 section 3.4 writes it, two numbers of the same width, from how RFC 3279 section 2.2.3
/// writes it: a sequence of two integers in DER. None for what is no such sequence.
///
/// The library would do this as well, by way of two numbers of any size; that takes a fiftieth of the whole signing.
pub(super) fn fixed(der: &[u8]) -> Option<[u8; 2 * WIDTH]> {
    let (numbers, rest) = value(SEQUENCE, der)?;
    let (r, after_r) = value(INTEGER, numbers)?;
    let (s, after_s) = value(INTEGER, after_r)?;
    if !rest.is_empty() || !after_s.is_empty() {
        return None;
    }
    let mut out = [0; 2 * WIDTH];
    let (first, second) = out.split_at_mut(WIDTH);
    pad(r, first)?;
    pad(s, second)?;
    Some(out)
}

/// What a tag is followed by, and what comes after. All lengths here are written as one byte.
fn value(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let ([found, length], rest) = der.split_first_chunk()?;
    if *found != tag || *length > 0x7f {
        return None;
    }
    rest.split_at_checked(usize::from(*length))
}

/// Writes a positive number to the right of its place. A first zero only says that it is positive.
fn pad(number: &[u8], place: &mut [u8]) -> Option<()> {
    let digits = match number {
        [0, digits @ ..] => digits,
        [first, ..] if *first < 0x80 => number,
        _ => return None,
    };
    let begin = place.len().checked_sub(digits.len())?;
    place[begin..].copy_from_slice(digits);
    Some(())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    };

    use super::fixed;

    #[test]
    fn what_is_written_is_the_same_signature() {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref().to_vec());
        // So many that some have numbers that are shorter than others.
        for message in 0..2_000_u32 {
            let message = message.to_be_bytes();
            let signature = pair.sign(&SystemRandom::new(), &message).unwrap();
            public.verify(&message, &fixed(signature.as_ref()).unwrap()).unwrap();
        }
    }

    #[test]
    fn short_numbers_are_padded_and_a_sign_is_dropped() {
        let written = fixed(&[0x30, 0x07, 0x02, 0x01, 0x05, 0x02, 0x02, 0x00, 0x80]).unwrap();
        let mut wanted = [0; 64];
        (wanted[31], wanted[63]) = (0x05, 0x80);
        assert_eq!(written, wanted);
    }

    #[test]
    fn what_is_no_pair_of_positive_numbers_is_refused() {
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
            assert_eq!(fixed(der), None, "{der:02x?}");
        }
    }
}
