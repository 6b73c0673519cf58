//! Devices in words, from the header `User-Agent`. The words are a help to recognize a device, and no proof of anything.

use crate::language::Texts;

/// Marks of programs, most specific first: browsers name the ones that they derive from, too.
const PROGRAMS: [(&str, &str); 14] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("hexabase/", "hexabase"),
    ("kubelogin/", "kubelogin"),
    ("kubectl/", "kubectl"),
    ("curl/", "curl"),
    ("python-requests/", "Python"),
];
/// Marks of operating systems, most specific first.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// Returns a device in words; an unknown one as it describes itself.
pub(super) fn device_text(texts: Texts, user_agent: &str) -> String {
    match (mark(&PROGRAMS, user_agent), mark(&SYSTEMS, user_agent)) {
        (Some(program), Some(system)) => {
            texts.text_with("session-device", &[("program", program.into()), ("system", system.into())])
        }
        (Some(known), None) => known.to_owned(),
        _ if user_agent.is_empty() => texts.text("session-device-unknown"),
        _ => user_agent.to_owned(),
    }
}

fn mark(marks: &[(&'static str, &'static str)], user_agent: &str) -> Option<&'static str> {
    marks.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    #[test]
    fn devices_are_named_by_their_program_and_system() {
        let text = |agent| device_text(Texts::new(Language::English), agent);
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
                "Safari on iOS",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
            ("<script>alert(1)</script>", "<script>alert(1)</script>"),
            ("", "unknown device"),
        ] {
            assert_eq!(text(agent), expected);
        }
        let japanese = device_text(Texts::new(Language::Japanese), "Firefox/144.0 (Windows)");
        assert_eq!(japanese, "Windows の Firefox");
    }
}
