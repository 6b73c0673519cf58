//! No secret of the configuration is printed: neither by `Debug` nor by the errors of invalid values.

use std::fmt::Debug;

use clap::{Args as _, FromArgMatches as _};
use hexabase_core::error::Error;
use hexabase_store::{NatsConfig, NatsQueue, PostgresConfig, PostgresStore, RedisConfig, RedisEphemeral};

use crate::config::{ProcessConfig, Sources};

/// Part of every secret in these tests.
const SECRET: &str = "s3cr3t";

/// Options with a secret, each with a value that contains one.
const FLAGS: [(&str, &str); 15] = [
    ("--database-url", "postgres://hexabase:s3cr3t@db.example/hexabase"),
    ("--redis-url", "redis://hexabase:s3cr3t@redis.example,redis://hexabase:s3cr3t@other.example"),
    ("--nats-url", "nats://hexabase:s3cr3t@nats.example"),
    ("--stripe-secret-key", "sk_test_s3cr3t"),
    ("--stripe-webhook-secret", "whsec_s3cr3t,whsec_other_s3cr3t"),
    ("--prometheus-url", "http://hexabase:s3cr3t@prometheus.example"),
    ("--prometheus-token", "s3cr3t"),
    ("--alertmanager-url", "http://hexabase:s3cr3t@alertmanager.example"),
    ("--alertmanager-token", "s3cr3t"),
    ("--alertmanager-webhook-token", "s3cr3t-of-16-or-more"),
    ("--prometheus-discovery-token", "s3cr3t-of-16-or-more"),
    ("--loki-url", "https://hexabase:s3cr3t@loki.example"),
    ("--loki-token", "s3cr3t"),
    ("--otlp-endpoint", "http://hexabase:s3cr3t@collector.example"),
    ("--smtp-url", "smtps://hexabase:s3cr3t@mail.example"),
];

/// Named tables with secrets, and all secret options in the form of the file.
const FILE: &str = r#"
    public_url = "https://hexabase.example"
    database_url = "postgres://hexabase:s3cr3t@db.example/hexabase"
    redis_url = "redis://hexabase:s3cr3t@redis.example"
    nats_url = "nats://hexabase:s3cr3t@nats.example"
    stripe_secret_key = "sk_test_s3cr3t"
    stripe_webhook_secret = ["whsec_s3cr3t"]
    prometheus_url = "http://hexabase:s3cr3t@prometheus.example"
    prometheus_token = "s3cr3t"
    alertmanager_url = "http://hexabase:s3cr3t@alertmanager.example"
    alertmanager_token = "s3cr3t"
    alertmanager_webhook_token = "s3cr3t-of-16-or-more"
    prometheus_discovery_token = "s3cr3t-of-16-or-more"
    loki_url = "https://hexabase:s3cr3t@loki.example"
    loki_token = "s3cr3t"
    smtp_url = "smtp://hexabase:s3cr3t@mail.example"
    otlp_endpoint = "http://hexabase:s3cr3t@collector.example"
    mail_from = "Hexabase <noreply@hexabase.example>"

    [providers.google]
    client_id = "hexabase"
    client_secret = "s3cr3t"

    [providers.github]
    client_id = "hexabase"
    client_secret = "s3cr3t"
    organizations = ["acme"]
    allowed_domains = ["acme.example"]

    [clients.shop]
    secret = "a long s3cr3t that is hard to guess"
    redirect_uris = ["https://shop.example/callback"]
"#;

/// The variables with the master keys, of which one is valid.
fn environment(additional: &str) -> impl Iterator<Item = (String, String)> {
    let valid = "czNjcjN0czNjcjN0czNjcjN0czNjcjN0czNjcjN0MTI=";
    let variables = [
        ("HEXABASE_MASTER_KEY", valid),
        ("HEXABASE_ADDITIONAL_MASTER_KEYS", additional),
        ("HEXABASE_PROVIDERS__OKTA__ISSUER", "https://okta.example"),
        ("HEXABASE_PROVIDERS__OKTA__CLIENT_ID", "hexabase"),
        ("HEXABASE_PROVIDERS__OKTA__CLIENT_SECRET", SECRET),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter()
}

fn assert_shows_no_secret(value: &(impl Debug + ?Sized)) {
    let (line, pretty) = (format!("{value:?}"), format!("{value:#?}"));
    for text in [line, pretty] {
        assert!(!text.contains(SECRET) && !text.contains("czNjcjN0"), "{text}");
    }
}

/// Checks an error as operators see it: its message, and the chain of its sources.
fn assert_error_shows_no_secret(error: &Error) {
    assert_shows_no_secret(error);
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(current) = cause {
        assert!(!current.to_string().contains(SECRET), "{current}");
        assert_shows_no_secret(current);
        cause = current.source();
    }
}

fn sources_of(file: &str, flags: &[(&str, &str)]) -> (tempfile::NamedTempFile, Sources) {
    let temporary = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(temporary.path(), file).unwrap();
    let path = temporary.path().to_str().unwrap();
    let arguments = flags.iter().flat_map(|(name, value)| [*name, *value]);
    let arguments = ["hexabase", "--config", path].into_iter().chain(arguments);
    let command = Sources::augment_args(clap::Command::new("hexabase"));
    let sources = Sources::from_arg_matches(&command.get_matches_from(arguments)).unwrap();
    (temporary, sources)
}

#[test]
fn debug_output_of_the_configuration_contains_no_secret() {
    let (_file, from_file) = sources_of(FILE, &[]);
    let (_other, from_flags) = sources_of(FILE, &FLAGS);
    for sources in [from_file, from_flags] {
        assert_shows_no_secret(&sources);
        let options: crate::options::Options = toml::from_str(FILE).unwrap();
        assert_shows_no_secret(&options);
        assert!(format!("{options:?}").contains("google"), "the names of tables are shown");
        let config = ProcessConfig::read(sources, environment("czNjcjN0")).unwrap();
        assert_shows_no_secret(&config);
        assert_eq!(config.sign_in.providers.len(), 3);
    }
}

#[test]
fn every_option_with_a_secret_hides_its_variable_in_the_help() {
    let command = Sources::augment_args(clap::Command::new("hexabase"));
    let hidden: Vec<String> = command
        .get_arguments()
        .filter(|argument| argument.is_hide_env_values_set())
        .map(|argument| format!("--{}", argument.get_long().unwrap_or_default()))
        .collect();
    assert_eq!(hidden, FLAGS.map(|(name, _)| name.to_owned()), "add a new option to the cases of this file");
    // An option whose name says so is one of them, unless it is the name of a file.
    for argument in command.get_arguments() {
        let name = argument.get_long().unwrap_or_default();
        let names_secret = ["secret", "token", "password", "-key"].iter().any(|part| name.contains(part));
        let is_file =
            argument.get_value_names().is_some_and(|names| names.iter().any(|name| name.as_str() == "FILE"));
        let is_number = name == "signing-key-days";
        assert!(!names_secret || is_file || is_number || hidden.contains(&format!("--{name}")), "--{name}");
    }
}

#[test]
fn errors_of_invalid_values_contain_no_secret() {
    for line in [
        "stripe_webhook_secret = \"whsec_s3cr3t\"",
        "stripe_secret_key = [\"sk_test_s3cr3t\"]",
        "database_url = { password = \"s3cr3t\" }",
        "database_connections = \"postgres://hexabase:s3cr3t@db.example\"",
        "log = \"s3cr3t\"",
        "prometheus_token = 's3cr3t",
        "nats_url = s3cr3t",
        "providers = \"s3cr3t\"",
        "[providers]\ngoogle = \"s3cr3t\"",
        "[providers.google]\nclient_secret = [\"s3cr3t\"]",
        "[clients.shop]\nsecret = \"s3cr3t\"\nredirect_uris = [\"https://shop.example\"]",
        "[clients.shop]\nredirect_uris = { secret = \"s3cr3t\" }",
    ] {
        let (_file, sources) = sources_of(line, &[("--public-url", "https://hexabase.example")]);
        let error = ProcessConfig::read(sources, environment("")).unwrap_err();
        assert_error_shows_no_secret(&error);
    }
    for url in ["mysql://hexabase:s3cr3t@db.example", "sqlite://s3cr3t?mode=ro", "s3cr3t"] {
        let flags = [("--public-url", "https://hexabase.example"), ("--database-url", url)];
        let (_file, sources) = sources_of("", &flags);
        assert_error_shows_no_secret(&ProcessConfig::read(sources, environment("")).unwrap_err());
    }
    for url in
        ["s3cr3t", "smtp://hexabase:s3cr3t@mail.example/s3cr3t", "smtps://:s3cr3t@mail.example?tls=none"]
    {
        let flags = [("--public-url", "https://hexabase.example"), ("--smtp-url", url)];
        let (_file, sources) = sources_of("", &flags);
        assert_error_shows_no_secret(&ProcessConfig::read(sources, environment("")).unwrap_err());
    }
    let (_file, sources) = sources_of(FILE, &[]);
    let config = ProcessConfig::read(sources, environment("s3cr3t,s3cr3t")).unwrap();
    let ids = hexabase_core::id_source::SystemIds::default();
    assert_error_shows_no_secret(&config.master_key(&ids).unwrap_err());
}

#[tokio::test]
async fn errors_of_invalid_urls_of_backends_contain_no_secret() {
    for rest in ["host:port", "host:99999", "[::"] {
        let url = |scheme: &str| format!("{scheme}://hexabase:s3cr3t@{rest}");
        let error = PostgresStore::connect(&PostgresConfig::new(url("postgres"))).await.unwrap_err();
        assert_error_shows_no_secret(&error);
        for urls in [vec![url("redis")], vec![url("redis"), url("rediss")]] {
            if let Err(error) = RedisEphemeral::connect(&RedisConfig::new(urls)).await {
                assert_error_shows_no_secret(&error);
            }
        }
        let nats = NatsConfig::new(url("nats"));
        assert_shows_no_secret(&nats);
        assert_error_shows_no_secret(&NatsQueue::connect(nats).await.unwrap_err());
    }
}
