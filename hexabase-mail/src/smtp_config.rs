//! Configuration of the connection to an SMTP server.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use percent_encoding::percent_decode_str;
use url::Url;

/// Encryption of the connection. A connection that cannot be encrypted as configured is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte (RFC 8314): `smtps://`.
    Tls,
    /// TLS after the command `STARTTLS`, which the server must offer (RFC 3207): `smtp://`.
    StartTls,
    /// No encryption, for a server on a trusted network: `smtp://…?tls=none`.
    None,
}

/// User name and password at an SMTP server.
#[derive(Debug, Clone)]
pub(crate) struct SmtpCredentials {
    pub(crate) user: SecretString,
    pub(crate) password: SecretString,
}

/// Configuration of the connection to an SMTP server.
#[derive(Clone)]
pub struct SmtpConfig {
    /// Host name or address of the server.
    pub(crate) host: String,
    /// Port of the server.
    pub(crate) port: u16,
    /// Encryption of the connection.
    pub(crate) security: SmtpSecurity,
    /// Credentials, if the server requires them.
    pub(crate) credentials: Option<SmtpCredentials>,
    /// PEM certificates of the CAs to trust; `None` for those of the system.
    pub authority: Option<Vec<u8>>,
    /// Maximum number of connections at a time; 4 by default. Each mail has a connection of its own.
    pub connections: usize,
    /// Maximum wait for one of these connections, after which the mail is retried later; 10 seconds by default.
    pub connection_wait: Duration,
    /// Timeout of establishing a TCP connection to one address of the server; 10 seconds by default.
    pub connect_timeout: Duration,
    /// Timeout of sending a mail, including the connection; 60 seconds by default.
    pub send_timeout: Duration,
}

impl fmt::Debug for SmtpConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SmtpConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl SmtpConfig {
    /// Parses a URL such as `smtps://user:password@mail.example` (TLS, port 465) or `smtp://mail.example` (required
    /// `STARTTLS`, port 587). `smtp://…?tls=none` (port 25) is not encrypted; it has credentials only on this machine.
    /// Special characters of user name and password are percent-encoded.
    ///
    /// # Errors
    /// `Invalid` for the field `smtp_url`; the error does not quote the URL.
    pub fn parse(url: &SecretString) -> Result<Self> {
        let invalid = |rule: &str| Error::invalid("smtp_url", rule);
        let form = "must be smtps://user:password@host:port, or smtp:// for STARTTLS, without a path";
        let url = Url::parse(url.expose_secret()).map_err(|_| invalid(form))?;
        let security = match (url.scheme(), security_parameter(&url).map_err(invalid)?) {
            ("smtps", None | Some(SmtpSecurity::StartTls)) => SmtpSecurity::Tls,
            ("smtp", None) => SmtpSecurity::StartTls,
            ("smtp", Some(security)) => security,
            ("smtps", Some(_)) => return Err(invalid("tls=none contradicts smtps://")),
            _ => return Err(invalid(form)),
        };
        let host = match url.host() {
            Some(url::Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            _ => return Err(invalid(form)),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(invalid(form));
        }
        let decode = |text: &str| {
            let decoded = percent_decode_str(text).decode_utf8().map_err(|_| invalid(form))?;
            Ok::<_, Error>(SecretString::from(decoded.into_owned()))
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) | (_, None) => {
                return Err(invalid("must have both a user name and a password, or neither"));
            }
            (user, Some(password)) => {
                Some(SmtpCredentials { user: decode(user)?, password: decode(password)? })
            }
        };
        if security == SmtpSecurity::None && credentials.is_some() && !is_loopback(&host) {
            let rule = "must not send a password without TLS to another machine; remove tls=none";
            return Err(invalid(rule));
        }
        let default_port = match security {
            SmtpSecurity::Tls => 465,
            SmtpSecurity::StartTls => 587,
            SmtpSecurity::None => 25,
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(default_port),
            security,
            credentials,
            authority: None,
            connections: 4,
            connection_wait: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(60),
        })
    }
}

/// Parses the parameter `tls`, the only one.
fn security_parameter(url: &Url) -> Result<Option<SmtpSecurity>, &'static str> {
    const RULE: &str = "has one optional parameter: tls=required, or tls=none for no encryption";
    let mut found = None;
    for (name, value) in url.query_pairs() {
        let security = match (&*name, &*value) {
            ("tls", "required") => SmtpSecurity::StartTls,
            ("tls", "none") => SmtpSecurity::None,
            ("tls", "opportunistic") => {
                return Err("must not use tls=opportunistic, which an attacker on the network can disable");
            }
            _ => return Err(RULE),
        };
        if found.replace(security).is_some() {
            return Err(RULE);
        }
    }
    Ok(found)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<SmtpConfig> {
        SmtpConfig::parse(&url.into())
    }

    #[test]
    fn the_scheme_and_the_parameter_determine_port_and_encryption() {
        for (url, port, security) in [
            ("smtps://mail.example", 465, SmtpSecurity::Tls),
            ("smtps://mail.example?tls=required", 465, SmtpSecurity::Tls),
            ("smtp://mail.example", 587, SmtpSecurity::StartTls),
            ("smtp://mail.example/?tls=required", 587, SmtpSecurity::StartTls),
            ("smtp://mail.example:2525?tls=none", 2525, SmtpSecurity::None),
            ("smtp://mail.example?tls=none", 25, SmtpSecurity::None),
            ("smtp://a:b@localhost?tls=none", 25, SmtpSecurity::None),
            ("smtp://a:b@[::1]?tls=none", 25, SmtpSecurity::None),
        ] {
            let config = parse(url).unwrap();
            assert_eq!((config.port, config.security), (port, security), "{url}");
        }
        assert_eq!(parse("smtp://[2001:db8::1]").unwrap().host, "2001:db8::1");
    }

    #[test]
    fn credentials_are_decoded_and_hidden() {
        let config = parse("smtps://ann%40example.com:s3cr3t%2F%C3%A4@mail.example").unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("s3cr3t") && !shown.contains("ann"), "{shown}");
        let credentials = config.credentials.unwrap();
        assert_eq!(credentials.user.expose_secret(), "ann@example.com");
        assert_eq!(credentials.password.expose_secret(), "s3cr3t/ä");
        assert!(!format!("{credentials:?}").contains("s3cr3t"));
    }

    #[test]
    fn an_invalid_url_is_rejected_without_being_quoted() {
        for url in [
            "",
            "s3cr3t",
            "http://user:s3cr3t@mail.example",
            "smtp://",
            "smtp://user:s3cr3t@",
            "smtp://user:s3cr3t@mail.example/path",
            "smtp://user:s3cr3t@mail.example#fragment",
            "smtp://user:s3cr3t@mail.example:port",
            "smtp://user:s3cr3t@mail.example?tls=none",
            "smtp://user:s3cr3t@mail.example?tls=opportunistic",
            "smtp://user:s3cr3t@mail.example?tls=required&tls=required",
            "smtp://mail.example?auth=s3cr3t",
            "smtps://mail.example?tls=none",
            "smtp://s3cr3t@mail.example",
            "smtp://:s3cr3t@mail.example",
            "smtp://user:s3cr3t%ff@mail.example",
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.violations()[0].field, "smtp_url", "{url}");
            assert!(!format!("{error:?}").contains("s3cr3t"), "{url}: {error:?}");
        }
    }
}
