//! Environment of a server process: variables that it knows, and those that Kubernetes adds.

use std::net::IpAddr;

use hexabase_core::error::{Check, Result};

use crate::named_tables;

/// Prefix of the variables of this program.
const PREFIX: &str = "HEXABASE_";
/// Prefix of the variables of the tests.
const TEST_PREFIX: &str = "HEXABASE_TEST_";

/// Returns the environment without the variables that Kubernetes adds for Services named `hexabase` or `hexabase-…`.
/// `known` are the variables of this program, except those of named tables of the kinds `tables`.
///
/// # Errors
/// `Invalid` for every other variable with the prefix `HEXABASE_`, because a typing error in a name would have no effect
/// otherwise.
pub(crate) fn without_service_links(
    environment: &[(String, String)],
    known: &[String],
    tables: &[&str],
) -> Result<Vec<(String, String)>> {
    let services: Vec<ServiceLink<'_>> =
        environment.iter().filter_map(ServiceLink::from_host_variable).collect();
    let is_link =
        |(name, value): &&(String, String)| services.iter().any(|service| service.has_variable(name, value));
    let environment: Vec<_> = environment.iter().filter(|variable| !is_link(variable)).cloned().collect();
    let mut check = Check::default();
    for (name, _) in environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let is_known = known.contains(name)
            || tables.iter().any(|kind| named_tables::is_variable(kind, name))
            || name.starts_with(TEST_PREFIX);
        if !is_known {
            check.refuse(name.as_str(), unknown_variable(name, known, tables));
        }
    }
    check.done()?;
    Ok(environment)
}

/// Returns the message for an unknown variable, with the known one whose name is most similar.
fn unknown_variable(name: &str, known: &[String], tables: &[&str]) -> String {
    let tables = tables.iter().map(|kind| named_tables::variable(kind, "NAME", "KEY"));
    let similarity =
        |candidate: &String| strsim::jaro_winkler(without_prefix(candidate), without_prefix(name));
    let closest = known.iter().cloned().chain(tables).max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
    let closest = closest.map(|closest| format!("; the closest one is {closest}")).unwrap_or_default();
    format!("is not a variable of this program{closest}; --help lists them")
}

fn without_prefix(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// Transport protocols of Services.
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// Service whose address Kubernetes adds to the environment of every container in its namespace
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>). The patterns are those of
/// `pkg/kubelet/envvars` in Kubernetes.
struct ServiceLink<'a> {
    /// Name of the Service in upper case, with `_` instead of `-`.
    prefix: String,
    /// Cluster IP.
    address: &'a str,
}

impl<'a> ServiceLink<'a> {
    /// Returns the Service of a variable with the address of a Service; `None` for any other variable.
    fn from_host_variable((name, value): &'a (String, String)) -> Option<Self> {
        let prefix = name.strip_suffix("_SERVICE_HOST")?;
        let is_own = format!("{prefix}_").starts_with(PREFIX) && is_upper_case_name(prefix);
        (is_own && value.parse::<IpAddr>().is_ok())
            .then(|| Self { prefix: prefix.to_owned(), address: value })
    }

    /// `true` if Kubernetes sets this variable to this value for the Service.
    fn has_variable(&self, name: &str, value: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.prefix) else { return false };
        match rest {
            "_SERVICE_HOST" => value == self.address,
            "_SERVICE_PORT" => parse_port(value).is_some(),
            "_PORT" => PROTOCOLS.iter().any(|protocol| {
                let start = self.url(protocol, "");
                value.strip_prefix(&start).and_then(parse_port).is_some()
            }),
            _ => {
                let of_named_port = rest.strip_prefix("_SERVICE_PORT_");
                of_named_port.is_some_and(|name| is_upper_case_name(name) && parse_port(value).is_some())
                    || rest.strip_prefix("_PORT_").is_some_and(|port| self.has_port_variable(port, value))
            }
        }
    }

    /// `true` if Kubernetes sets the variable of a port, such as `8080_TCP_ADDR`, to this value.
    fn has_port_variable(&self, name: &str, value: &str) -> bool {
        let mut parts = name.splitn(3, '_');
        let (Some(port), Some(protocol), field) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let expected = match field {
            None => self.url(protocol, port),
            Some("PROTO") => protocol.to_ascii_lowercase(),
            Some("PORT") => port.to_owned(),
            Some("ADDR") => self.address.to_owned(),
            Some(_) => return false,
        };
        parse_port(port).is_some() && PROTOCOLS.contains(&protocol) && value == expected
    }

    fn url(&self, protocol: &str, port: &str) -> String {
        let protocol = protocol.to_ascii_lowercase();
        match self.address.contains(':') {
            true => format!("{protocol}://[{}]:{port}", self.address),
            false => format!("{protocol}://{}:{port}", self.address),
        }
    }
}

fn is_upper_case_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !text.is_empty() && text.bytes().all(is_allowed)
}

/// Parses a port number as Kubernetes writes it: in decimal, without leading zeros.
fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port: &u16| *port > 0 && port.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] =
        ["HEXABASE_LISTEN", "HEXABASE_REDIS_URL", "HEXABASE_DATABASE_URL", "HEXABASE_TLS_CERT"];
    const TABLES: [&str; 2] = ["providers", "clients"];

    /// Variables that Kubernetes 1.30 sets for a Service `hexabase` with the ports http, 8080, and an UDP port, 53.
    const SERVICE: [(&str, &str); 12] = [
        ("HEXABASE_SERVICE_HOST", "10.96.7.1"),
        ("HEXABASE_SERVICE_PORT", "8080"),
        ("HEXABASE_SERVICE_PORT_HTTP_WEB", "8080"),
        ("HEXABASE_PORT", "tcp://10.96.7.1:8080"),
        ("HEXABASE_PORT_8080_TCP", "tcp://10.96.7.1:8080"),
        ("HEXABASE_PORT_8080_TCP_PROTO", "tcp"),
        ("HEXABASE_PORT_8080_TCP_PORT", "8080"),
        ("HEXABASE_PORT_8080_TCP_ADDR", "10.96.7.1"),
        ("HEXABASE_PORT_53_UDP", "udp://10.96.7.1:53"),
        ("HEXABASE_PORT_53_UDP_PROTO", "udp"),
        ("HEXABASE_PORT_53_UDP_PORT", "53"),
        ("HEXABASE_PORT_53_UDP_ADDR", "10.96.7.1"),
    ];

    fn accepted<'a>(
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Vec<(String, String)>> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let known: Vec<String> = KNOWN.map(str::to_owned).into();
        without_service_links(&variables.into_iter().map(owned).collect::<Vec<_>>(), &known, &TABLES)
    }

    #[test]
    fn variables_of_services_are_ignored() {
        let own = [("HEXABASE_LISTEN", "0.0.0.0:8080"), ("PATH", "/bin")];
        let found = accepted(own.into_iter().chain(SERVICE)).unwrap();
        assert_eq!(
            found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["HEXABASE_LISTEN", "PATH"]
        );
        let ipv6 = [
            ("HEXABASE_API_SERVICE_HOST", "fd00::7"),
            ("HEXABASE_API_SERVICE_PORT", "443"),
            ("HEXABASE_API_PORT", "tcp://[fd00::7]:443"),
            ("HEXABASE_API_PORT_443_TCP", "tcp://[fd00::7]:443"),
            ("HEXABASE_API_PORT_443_TCP_ADDR", "fd00::7"),
        ];
        assert_eq!(accepted(ipv6).unwrap(), []);
        // The Service `hexabase-providers--a--port` looks like a provider with an unknown key.
        let named_table = [
            ("HEXABASE_PROVIDERS__A__SERVICE_HOST", "10.96.7.2"),
            ("HEXABASE_PROVIDERS__A__PORT", "tcp://10.96.7.2:80"),
        ];
        assert_eq!(accepted(named_table).unwrap(), []);
    }

    #[test]
    fn other_variables_that_look_like_those_of_services_are_rejected() {
        let host = SERVICE[0];
        for (name, value) in [
            ("HEXABASE_PORT", "8080"),
            ("HEXABASE_PORT", "tcp://10.96.7.2:8080"),
            ("HEXABASE_PORT", "http://10.96.7.1:8080"),
            ("HEXABASE_SERVICE_PORT", "0"),
            ("HEXABASE_SERVICE_PORT", "http"),
            ("HEXABASE_SERVICE_PORT_", "80"),
            ("HEXABASE_PORT_8080_TCP_ADDR", "10.96.7.2"),
            ("HEXABASE_PORT_8080_TCP_PROTO", "udp"),
            ("HEXABASE_PORT_8080_TCP_NAME", "8080"),
            ("HEXABASE_PORT_8080_HTTP", "http://10.96.7.1:8080"),
            ("HEXABASE_PORT_08080_TCP_PORT", "08080"),
            ("HEXABASE_LISTEN_PORT", "tcp://10.96.7.1:8080"),
        ] {
            accepted([host, (name, value)]).unwrap_err();
        }
        accepted([("HEXABASE_SERVICE_HOST", "db.example")]).unwrap_err();
        accepted([("HEXABASE_SERVICE_PORT", "8080")]).unwrap_err();
        accepted([("HEXABASE_PORT", "tcp://10.96.7.1:8080")]).unwrap_err();
    }

    #[test]
    fn the_closest_known_variable_is_named() {
        for (typed, meant) in [
            ("HEXABASE_LISTN", "HEXABASE_LISTEN"),
            ("HEXABASE_REDIS_ULR", "HEXABASE_REDIS_URL"),
            ("HEXABASE_DATABASE", "HEXABASE_DATABASE_URL"),
            ("HEXABASE_PROVIDER__GOOGLE__CLIENT_ID", "HEXABASE_PROVIDERS__NAME__KEY"),
        ] {
            let error = accepted([(typed, "secret")]).unwrap_err().to_string();
            assert!(
                error.contains(typed) && error.contains(&format!("the closest one is {meant};")),
                "{error}"
            );
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
