//! JSON Web Tokens: header and claims in separate lines. The signature is valid where the header names the algorithm of
//! the key, so that the claims are read.
#![no_main]

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_auth::Auth;
use hexabase_auth::issuer::{ClientCredential, Parameters, RegisteredClient};
use hexabase_core::model::{Origin, SignatureAlgorithm};
use hexabase_fuzz::{auth, block_on, two_parts};
use jsonwebtoken::{Algorithm, EncodingKey};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// Key pair of RFC 8037, appendix A.
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";
const PUBLIC_KEY: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

struct Signer {
    auth: Auth,
    key: EncodingKey,
}

impl Signer {
    fn new() -> Self {
        let keys = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": PUBLIC_KEY, "kid": "one" }] });
        let client = RegisteredClient {
            id: "robot".to_owned(),
            name: "Robot".to_owned(),
            redirect_uris: vec!["https://robot.example/login".to_owned()],
            post_logout_redirect_uris: Vec::new(),
            credential: ClientCredential::Keys(serde_json::from_value(keys).expect("is a key set")),
            workspace: None,
            trusted: true,
            algorithm: SignatureAlgorithm::Es256,
        };
        let key = EncodingKey::from_ed_pem(PRIVATE_KEY.as_bytes()).expect("is a key");
        Self { auth: auth().with_clients(vec![client]), key }
    }

    /// Encodes a token, and signs it if its header names the algorithm of the key.
    fn token(&self, header: &[u8], claims: &[u8]) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let is_signed = header.windows(7).any(|part| part == b"\"EdDSA\"");
        let sign = || jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA).ok();
        let signature = is_signed.then(sign).flatten().unwrap_or_else(|| "AAAA".to_owned());
        format!("{message}.{signature}")
    }
}

fuzz_target!(|data: &[u8]| {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    let signer = SIGNER.get_or_init(Signer::new);
    let (header, claims) = two_parts(data);
    let token = signer.token(header, claims);
    assert!(
        block_on(signer.auth.authenticate_bearer(&token)).is_err(),
        "no key of this server has signed the token"
    );
    let assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let pairs = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "hxr_"),
        ("client_assertion_type", assertion_type),
        ("client_assertion", &token),
    ];
    let parameters = Parameters::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(block_on(signer.auth.issuer().token(None, &parameters, &Origin::default())).is_err());
});
