//! A NATS operator with an account and a user in it, as `nsc` makes them: tokens that are signed from above, by keys
//! that only their owners have.

use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The operator, with the files that a server and its clients need.
pub(crate) struct Operator(TempDir);

impl Operator {
    pub(crate) fn new() -> Self {
        let (operator, account, user) =
            (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_user());
        let system = KeyPair::new_account();
        let everything = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
            "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
        });
        // The account of the server's own affairs may keep nothing.
        let mut nothing_kept = everything.clone();
        nothing_kept["mem_storage"] = json!(0);
        nothing_kept["disk_storage"] = json!(0);
        let of_account = |account: &KeyPair, limits: Value| {
            token(account, &operator, json!({ "type": "account", "version": 2, "limits": limits }))
        };
        let of_user = token(
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
            of_account(&system, nothing_kept),
            account.public_key(),
            of_account(&account, everything),
        );
        let credentials = format!(
            "-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            user.seed().unwrap(),
        );
        let files = Self(tempfile::tempdir().unwrap());
        std::fs::write(files.configuration(), configuration).unwrap();
        std::fs::write(files.credentials(), credentials).unwrap();
        files
    }

    /// What the server has to be told.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.0.path().join("nats.conf")
    }

    /// What the user shows.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.0.path().join("user.creds")
    }
}

/// What `issuer` says about `subject`.
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
