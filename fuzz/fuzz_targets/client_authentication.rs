//! Client authentication at the token endpoint: the header, and the parameters of the form.
#![no_main]

use std::sync::OnceLock;

use hexabase_auth::Auth;
use hexabase_auth::issuer::{ClientCredential, Parameters, RegisteredClient};
use hexabase_core::model::{Origin, SignatureAlgorithm};
use hexabase_fuzz::{auth, block_on, text, two_parts};
use libfuzzer_sys::fuzz_target;

fn registered() -> RegisteredClient {
    RegisteredClient {
        id: "grafana".to_owned(),
        name: "Grafana".to_owned(),
        redirect_uris: vec!["https://grafana.example/login".to_owned()],
        post_logout_redirect_uris: Vec::new(),
        credential: ClientCredential::Secret("0123456789abcdef".to_owned().into()),
        workspace: None,
        trusted: true,
        algorithm: SignatureAlgorithm::Es256,
    }
}

/// Parameters of a form whose pairs are separated by `&`, without encoding, so that every byte reaches the parsers.
fn parameters(form: &str) -> Parameters {
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    Parameters::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

fuzz_target!(|data: &[u8]| {
    static AUTH: OnceLock<Auth> = OnceLock::new();
    let auth = AUTH.get_or_init(|| auth().with_clients(vec![registered()]));
    let (authorization, form) = two_parts(data);
    let (Some(authorization), Some(form)) = (text(authorization), text(form)) else { return };
    let authorization = Some(authorization).filter(|value| !value.is_empty());
    let accepted =
        block_on(auth.issuer().token(authorization, &parameters(form), &Origin::default())).is_ok();
    assert!(!accepted, "no grant exists");
});
