//! NATS operator with an account and a user, as `nsc` creates them: tokens signed by the keys of the level above,
//! which only their owners have.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Operator with the files that a server and its clients need.
pub(crate) struct Operator(TempDir);

impl Operator {
    pub(crate) fn new() -> Self {
        let (operator, account, user) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
        let system = KeyPair::new_account();
        let unlimited = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
            "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        // The system account may store nothing.
        let mut no_storage = unlimited.clone();
        no_storage["mem_storage"] = json!(0);
        no_storage["disk_storage"] = json!(0);
        let account_token = |account: &KeyPair, limits: Value| {
            token(account, &operator, json!({ "type": "account", "version": 2, "limits": limits }))
        };
        let user_token = token(
            &user,
            &account,
            json!({
                "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1,
            }),
        );
        let configuration = format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {}, {}: {} }}\n",
            token(&operator, &operator, json!({ "type": "operator", "version": 2 })),
            system.public_key(),
            system.public_key(),
            account_token(&system, no_storage),
            account.public_key(),
            account_token(&account, unlimited),
        );
        let credentials = format!(
            "-----BEGIN NATS USER JWT-----\n{user_token}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().unwrap(),
        );
        let files = Self(tempfile::tempdir().unwrap());
        std::fs::write(files.configuration(), configuration).unwrap();
        std::fs::write(files.credentials(), credentials).unwrap();
        files
    }

    /// Returns the path of the server configuration.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.0.path().join("nats.conf")
    }

    /// Returns the path of the user's credentials file.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.0.path().join("user.creds")
    }
}

/// Returns a token about `subject`, signed by `issuer`.
fn token(subject: &KeyPair, issuer: &KeyPair, claims: Value) -> String {
    let encode = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = json!({
        "jti": subject.public_key(), "iat": 1_700_000_000, "iss": issuer.public_key(), "name": "test",
        "sub": subject.public_key(), "nats": claims,
    });
    let text = format!("{}.{}", encode(json!({ "typ": "JWT", "alg": "ed25519-nkey" })), encode(claims));
    let signature = issuer.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
