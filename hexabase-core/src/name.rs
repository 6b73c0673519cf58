//! Validated names. Values of these types are valid by construction; input is validated once, when it is parsed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::quantity::Quantity;

/// Validation error of a name. Its text states the rule that the input breaks, for the user who entered it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.description())]
pub struct InvalidName(NameRule);

impl InvalidName {
    /// Returns the rule that the input breaks.
    #[must_use]
    pub const fn rule(&self) -> NameRule {
        self.0
    }
}

/// Rule of a name, by which other languages describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameRule {
    /// DNS label (RFC 1123 section 2.1).
    DnsLabel,
    /// Characters and length of a group name.
    GroupName,
    /// Length of a display name.
    DisplayLength,
    /// No white space around a display name.
    OuterWhiteSpace,
    /// No characters in a display name that make it look like another one.
    InvisibleCharacters,
    /// E-mail address.
    Email,
    /// E-mail address without characters outside of ASCII.
    AsciiEmail,
    /// Id of an object in an inventory.
    ManagedObject,
    /// Language code.
    Language,
    /// Name of a project that nothing else uses.
    ReservedProjectName,
    /// Namespace of a host that nothing else uses.
    ReservedNamespace,
    /// Source of images.
    ImageSource,
    /// Resource of nodes.
    ExtendedResource,
    /// Kubernetes minor version.
    KubernetesVersion,
}

impl NameRule {
    /// All values, in declaration order.
    pub const ALL: [Self; 14] = [
        Self::DnsLabel,
        Self::GroupName,
        Self::DisplayLength,
        Self::OuterWhiteSpace,
        Self::InvisibleCharacters,
        Self::Email,
        Self::AsciiEmail,
        Self::ManagedObject,
        Self::Language,
        Self::ReservedProjectName,
        Self::ReservedNamespace,
        Self::ImageSource,
        Self::ExtendedResource,
        Self::KubernetesVersion,
    ];

    /// Returns the rule for the user who entered the name.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::DnsLabel => {
                "must be 1 to 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
            }
            Self::GroupName => {
                "must be 1 to 63 ASCII letters, digits, '.', '_' and '-', beginning with a letter or digit"
            }
            Self::DisplayLength => "must be 1 to 128 characters",
            Self::OuterWhiteSpace => "must not begin or end with white space",
            Self::InvisibleCharacters => "must not contain control or direction-changing characters",
            Self::Email => "must be an e-mail address such as ann@example.com",
            Self::AsciiEmail => {
                "must be an e-mail address in ASCII such as ann@example.com; an internationalized domain must have its \
                 xn-- form"
            }
            Self::ManagedObject => {
                "must be the id of an object, or for a membership the ids of the group and of the user separated by '/'"
            }
            Self::Language => {
                "must be a language code (ISO 639) of two or three lower-case letters, such as en"
            }
            Self::ReservedProjectName => {
                "must not be 'default', 'hexabase' or a name that begins with 'kube-' or 'hexabase-': these are reserved"
            }
            Self::ReservedNamespace => {
                "must not be 'default' or a name that begins with 'kube-' or 'ws-': these belong to Kubernetes and to \
                 workspaces"
            }
            Self::ImageSource => {
                "must be a registry or a path in one, as in docker.io/library or registry.example:5000"
            }
            Self::ExtendedResource => {
                "must be an extended resource or huge pages, as in nvidia.com/gpu or hugepages-2Mi"
            }
            Self::KubernetesVersion => "must be a Kubernetes minor version such as 1.36",
        }
    }
}

type ValidationResult = Result<(), InvalidName>;

fn require(valid: bool, rule: NameRule) -> ValidationResult {
    if valid { Ok(()) } else { Err(InvalidName(rule)) }
}

/// DNS label (RFC 1123 section 2.1), as Kubernetes requires for namespaces and most names.
fn dns_label(text: &str) -> ValidationResult {
    const RULE: NameRule = NameRule::DnsLabel;
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    require((1..=63).contains(&bytes.len()), RULE)?;
    require(bytes.iter().all(|byte| alphanumeric(*byte) || *byte == b'-'), RULE)?;
    require(alphanumeric(bytes[0]) && alphanumeric(bytes[bytes.len() - 1]), RULE)
}

fn group_name(text: &str) -> ValidationResult {
    const RULE: NameRule = NameRule::GroupName;
    let bytes = text.as_bytes();
    require((1..=63).contains(&bytes.len()), RULE)?;
    require(bytes[0].is_ascii_alphanumeric(), RULE)?;
    require(bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte)), RULE)
}

fn display_name(text: &str) -> ValidationResult {
    require((1..=128).contains(&text.chars().count()), NameRule::DisplayLength)?;
    require(text.trim() == text, NameRule::OuterWhiteSpace)?;
    require(!text.chars().any(is_invisible), NameRule::InvisibleCharacters)
}

/// `true` for characters that make a name look like another one: control characters, and marks that change the text
/// direction.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// E-mail addresses in practical use: RFC 5321 without quoting and comments. Mailboxes outside ASCII (RFC 6531) are not
/// supported, because many mail servers do not deliver to them.
fn email(text: &str) -> ValidationResult {
    const RULE: NameRule = NameRule::Email;
    const ASCII_RULE: NameRule = NameRule::AsciiEmail;
    require(text.is_ascii(), ASCII_RULE)?;
    let (mailbox, domain) = text.split_once('@').ok_or(InvalidName(RULE))?;
    require(text.len() <= 254 && (1..=64).contains(&mailbox.len()), RULE)?;
    let atom = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    require(mailbox.split('.').all(atom), RULE)?;
    let mut labels = domain.split('.');
    require(labels.clone().count() >= 2 || domain == "localhost", RULE)?;
    require(labels.all(|label| dns_label(label).is_ok()), RULE)
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $check:path, $prepare:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Validates a text.
            ///
            /// # Errors
            /// [`InvalidName`] with the rule that the text breaks.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let prepare: fn(&str) -> String = $prepare;
                let text = prepare(text);
                $check(&text)?;
                Ok(Self(text))
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, out)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

names! {
    /// Name of an organization, workspace, service account or custom role: a DNS label.
    Slug, dns_label, str::to_owned;
    /// Name of a project and of its namespace: a DNS label that is reserved by neither Kubernetes nor Hexabase.
    ProjectName, project_name, str::to_owned;
    /// Name of a group, which reaches Kubernetes in the claim `groups`. It has no colon, so it is never one of the
    /// `system:` names.
    GroupName, group_name, str::to_owned;
    /// Name for display: one line in any script.
    DisplayName, display_name, str::to_owned;
    /// E-mail address in lower case. Users are identified by it.
    Email, email, str::to_ascii_lowercase;
    /// Name of a sign-in provider in this installation, such as `google`: a DNS label.
    ProviderName, dns_label, str::to_owned;
    /// Name of a plan, such as `starter`: a DNS label.
    PlanId, dns_label, str::to_owned;
    /// Name of a host cluster: a DNS label.
    HostClusterName, dns_label, str::to_owned;
    /// Namespace of a host cluster that belongs to neither Kubernetes nor a workspace: a DNS label.
    HostNamespace, host_namespace, str::to_owned;
    /// Name of a region: a DNS label.
    Region, dns_label, str::to_owned;
    /// Name of a node class on a host cluster, such as `standard-8`: a DNS label.
    NodeClass, dns_label, str::to_owned;
    /// Source of images: a registry, or a path in one, such as `docker.io/library`.
    ImageSource, image_source, str::to_owned;
    /// Resource of nodes besides CPU, memory and storage, such as `nvidia.com/gpu` or `hugepages-2Mi`.
    ExtendedResource, extended_resource, str::to_owned;
    /// Language by its ISO 639 code, such as `en`.
    Language, language, str::to_owned;
    /// Kubernetes minor version, such as `1.36`.
    KubernetesVersion, kubernetes_version, str::to_owned;
    /// Object in an inventory: its id, or for a membership the ids of the group and of the user, as in `grp_…/usr_…`.
    ManagedObject, managed_object, str::to_owned;
}

fn managed_object(text: &str) -> ValidationResult {
    const RULE: NameRule = NameRule::ManagedObject;
    // The shortest prefix is `ws`, the longest have three letters.
    let is_id = |part: &str| {
        part.split_once('_').is_some_and(|(prefix, suffix)| {
            (2..=3).contains(&prefix.len())
                && prefix.bytes().all(|byte| byte.is_ascii_lowercase())
                && suffix.len() == 26
                && suffix.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
    };
    require(text.split('/').count() <= 2 && text.split('/').all(is_id), RULE)
}

fn language(text: &str) -> ValidationResult {
    let is_code = (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase());
    require(is_code, NameRule::Language)
}

impl Default for Language {
    /// Returns English.
    fn default() -> Self {
        Self("en".to_owned())
    }
}

fn project_name(text: &str) -> ValidationResult {
    dns_label(text)?;
    let reserved =
        text == "default" || text.starts_with("kube-") || text.starts_with("hexabase-") || text == "hexabase";
    require(!reserved, NameRule::ReservedProjectName)
}

fn host_namespace(text: &str) -> ValidationResult {
    dns_label(text)?;
    let reserved = text == "default" || text.starts_with("kube-") || text.starts_with("ws-");
    require(!reserved, NameRule::ReservedNamespace)
}

/// Image references (<https://pkg.go.dev/github.com/distribution/reference>) without tag and digest. The registry is
/// required, since the default registry of a reference without one depends on the container runtime.
fn image_source(text: &str) -> ValidationResult {
    const RULE: NameRule = NameRule::ImageSource;
    let mut parts = text.split('/');
    let registry = parts.next().unwrap_or_default();
    let (host, port) = registry.split_once(':').map_or((registry, None), |(host, port)| (host, Some(port)));
    let is_host = host.contains('.') || port.is_some() || host == "localhost";
    require(text.len() <= 255 && is_host && host.split('.').all(|label| dns_label(label).is_ok()), RULE)?;
    // The parser of numbers accepts a sign.
    let is_port = |port: &str| !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port > 0);
    require(port.is_none_or(is_port), RULE)?;
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_component =
        |part: &str| part.bytes().all(inner) && edge(part.bytes().next()) && edge(part.bytes().next_back());
    require(parts.all(is_component), RULE)
}

/// Extended resources and huge pages
/// (<https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#extended-resources>). Kubernetes
/// reserves names without a domain, and its own domain.
fn extended_resource(text: &str) -> ValidationResult {
    const RULE: NameRule = NameRule::ExtendedResource;
    if let Some(size) = text.strip_prefix("hugepages-") {
        return require(size.parse::<Quantity>().is_ok_and(|size| !size.is_zero()), RULE);
    }
    let (domain, name) = text.split_once('/').ok_or(InvalidName(RULE))?;
    let reserved = format!(".{domain}").ends_with(".kubernetes.io");
    let is_domain = domain.contains('.') && domain.split('.').all(|label| dns_label(label).is_ok());
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    // A quota names the resource with the prefix `requests.`.
    require(domain.len() <= 244 && is_domain && !reserved, RULE)?;
    require((1..=63).contains(&name.len()) && name.bytes().all(inner), RULE)?;
    require(edge(name.bytes().next()) && edge(name.bytes().next_back()), RULE)
}

fn kubernetes_version(text: &str) -> ValidationResult {
    const RULE: NameRule = NameRule::KubernetesVersion;
    let (major, minor) = text.split_once('.').ok_or(InvalidName(RULE))?;
    let number = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    require(number(major) && number(minor), RULE)
}

impl KubernetesVersion {
    /// Returns the major and minor version as numbers, which can be compared.
    #[must_use]
    pub fn major_minor(&self) -> (u16, u16) {
        let (major, minor) = self.0.split_once('.').unwrap_or((&self.0, "0"));
        (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
    }

    /// `true` if a cluster of this version may change to `next`: Kubernetes supports upgrades by one minor version at
    /// a
    /// time and no downgrades (<https://kubernetes.io/releases/version-skew-policy/>).
    #[must_use]
    pub fn can_upgrade_to(&self, next: &Self) -> bool {
        let ((major, minor), (next_major, next_minor)) = (self.major_minor(), next.major_minor());
        major == next_major && (minor..=minor + 1).contains(&next_minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kubernetes_upgrades_by_one_minor_version_and_never_downgrades() {
        let version = |text| KubernetesVersion::parse(text).unwrap();
        for (next, valid) in
            [("1.33", false), ("1.34", true), ("1.35", true), ("1.36", false), ("2.35", false)]
        {
            assert_eq!(version("1.34").can_upgrade_to(&version(next)), valid, "{next}");
        }
    }

    #[test]
    fn a_slug_is_a_dns_label() {
        for good in ["a", "0", "team-7", &"x".repeat(63)] {
            assert!(Slug::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a b", &"x".repeat(64)] {
            assert!(Slug::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reserved_namespaces_are_not_project_names() {
        for bad in ["default", "kube-system", "kube-x", "hexabase-managed-objects", "hexabase"] {
            assert!(ProjectName::parse(bad).is_err(), "{bad}");
        }
        assert!(ProjectName::parse("kubernetes-demo").is_ok());
    }

    #[test]
    fn a_group_name_is_never_a_system_name() {
        for bad in ["system:masters", "hexabase:x", "", ".x", "ад", "a b", "a\u{200b}b"] {
            assert!(GroupName::parse(bad).is_err(), "{bad}");
        }
        assert!(GroupName::parse("WSAdmins").is_ok());
    }

    #[test]
    fn a_display_name_has_no_invisible_characters() {
        for bad in ["", " x", "x\n", "a\u{202e}b", "a\u{200b}b"] {
            assert!(DisplayName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(DisplayName::parse("Команда Ω 7").is_ok());
    }

    #[test]
    fn an_email_address_is_converted_to_lower_case() {
        assert_eq!(Email::parse("Ann.B+x@Example.COM").unwrap().as_str(), "ann.b+x@example.com");
        for bad in ["ann", "@x.io", "ann@", "ann@x", "a b@x.io", "ann@x..io", "аnn@x.io", ".ann@x.io"] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_internationalized_address_is_rejected_with_its_remedy() {
        for bad in ["дом@x.io", "ann@müller.example", "ann\u{ff20}x.io"] {
            let error = Email::parse(bad).unwrap_err().to_string();
            assert!(error.contains("ASCII") && error.contains("xn--"), "{bad}: {error}");
        }
        assert!(Email::parse("ann@xn--mller-kva.example").is_ok());
    }

    #[test]
    fn a_language_is_an_iso_639_code() {
        assert!(Language::parse("ja").is_ok() && Language::parse(Language::default().as_str()).is_ok());
        for bad in ["", "e", "EN", "en-us", "../x", "engl"] {
            assert!(Language::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_image_source_begins_with_its_registry() {
        for good in ["docker.io", "docker.io/library", "localhost/a", "registry.example:5000/team/a_b.c-d"] {
            assert!(ImageSource::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "library",
            "library/nginx",
            "docker.io/",
            "docker.io//a",
            "Docker.io/a",
            "docker.io/A",
            "a.b:0/x",
            "a.b:+5000/x",
        ] {
            assert!(ImageSource::parse(bad).is_err(), "{bad}");
        }
        for bad in
            ["docker.io/a,ghcr.io", "docker.io/a:1", "docker.io/a@b", "docker.io/../a", "a.b:x/y", ".io/a"]
        {
            assert!(ImageSource::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn extended_resources_have_a_domain_that_kubernetes_does_not_reserve() {
        for good in ["nvidia.com/gpu", "amd.com/xilinx-u30.ac", "hugepages-2Mi", "hugepages-1Gi"] {
            assert!(ExtendedResource::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "cpu",
            "gpu",
            "nvidia/gpu",
            "nvidia.com/",
            "nvidia.com/a/b",
            "nvidia.com/-gpu",
            "nvidia.com/a,b.c/d",
            "kubernetes.io/gpu",
            "node.kubernetes.io/gpu",
            "hugepages-",
            "hugepages-0",
            "hugepages-a",
        ] {
            assert!(ExtendedResource::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn kubernetes_versions_are_ordered_numerically() {
        let version = |text| KubernetesVersion::parse(text).unwrap().major_minor();
        assert!(version("1.9") < version("1.36"));
        for bad in ["1", "v1.36", "1.36.0", "1.", "1.x", "1.036"] {
            assert!(KubernetesVersion::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_a_name_panic(text in ".*") {
            let _ = (Slug::parse(&text), GroupName::parse(&text), DisplayName::parse(&text));
            let _ = (Email::parse(&text), ProjectName::parse(&text), KubernetesVersion::parse(&text));
        }

        #[test]
        fn a_parsed_email_parses_again(text in "[a-zA-Z0-9._@-]{0,70}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
            }
        }
    }
}
