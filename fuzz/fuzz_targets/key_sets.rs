//! JSON Web Key Sets: of registered clients, and of identity providers. Each set verifies tokens of several algorithms.
#![no_main]

use std::sync::{Mutex, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_auth::Auth;
use hexabase_auth::issuer::{ClientCredential, Parameters, RegisteredClient};
use hexabase_core::model::{Origin, SignatureAlgorithm};
use hexabase_fuzz::{auth, block_on};
use libfuzzer_sys::fuzz_target;
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet};
use openidconnect::{ClientId, IssuerUrl, Nonce};

const ALGORITHMS: [(&str, usize); 5] =
    [("ES256", 64), ("ES384", 96), ("RS256", 256), ("PS256", 256), ("EdDSA", 64)];

/// Tokens with signatures of the right length that no key has made.
fn tokens() -> &'static [String] {
    static TOKENS: OnceLock<Vec<String>> = OnceLock::new();
    let token = |(algorithm, length): (&str, usize)| {
        let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
        let claims = r#"{"iss":"https://issuer.example","sub":"robot","aud":["robot","https://hexabase.example"],"exp":4102444800,"iat":1767225600,"jti":"1"}"#;
        let signature = vec![1_u8; length];
        let parts: [&[u8]; 3] = [header.as_bytes(), claims.as_bytes(), &signature];
        parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    };
    TOKENS.get_or_init(|| ALGORITHMS.map(token).to_vec())
}

/// Verifies assertions with the keys of a registered client.
fn verify_assertions(auth: &Auth) {
    for token in tokens() {
        let pairs = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "hxr_"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", token),
        ];
        let parameters = Parameters::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(block_on(auth.issuer().token(None, &parameters, &Origin::default())).is_err());
    }
}

fuzz_target!(|data: &[u8]| {
    static AUTH: OnceLock<Mutex<Option<Auth>>> = OnceLock::new();
    if let Ok(keys) = serde_json::from_slice(data) {
        let client = RegisteredClient {
            id: "robot".to_owned(),
            name: "Robot".to_owned(),
            redirect_uris: vec!["https://robot.example/login".to_owned()],
            post_logout_redirect_uris: Vec::new(),
            credential: ClientCredential::Keys(keys),
            workspace: None,
            trusted: true,
            algorithm: SignatureAlgorithm::Es256,
        };
        let mut stored = AUTH.get_or_init(|| Mutex::new(Some(auth()))).lock().expect("no input panics");
        let auth = stored.take().expect("is put back").with_clients(vec![client]);
        verify_assertions(&auth);
        *stored = Some(auth);
    }
    if let Ok(keys) = serde_json::from_slice::<CoreJsonWebKeySet>(data) {
        let issuer = IssuerUrl::new("https://issuer.example".to_owned()).expect("is a URL");
        let verifier =
            CoreIdTokenVerifier::new_public_client(ClientId::new("robot".to_owned()), issuer, keys);
        let verifier = verifier.allow_any_alg();
        for token in tokens().iter().filter_map(|token| token.parse::<CoreIdToken>().ok()) {
            assert!(token.claims(&verifier, |_: Option<&Nonce>| Ok(())).is_err());
        }
    }
});
