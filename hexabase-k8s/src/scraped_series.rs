//! Selection of the series of a tenant API server from its response in the text format of Prometheus
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>). Tenants control the response: what is not well-formed
//! is left out, and what remains is bounded.

use hexabase_core::error::{Error, Result};

use crate::scraping::{LABEL_LIMITS, SAMPLE_LIMIT, is_kept, is_kept_metric};

/// Maximum length of a line, in bytes; longer ones are left out.
const MAX_LINE_BYTES: usize = 16 << 10;
/// Maximum size of the selected series, in bytes.
const MAX_BYTES: usize = 4 << 20;
/// Labels that name a scrape target. Prometheus sets them for the target; a series that has one itself is left out, whether
/// or not the scrape job keeps the labels of series.
const TARGET_LABELS: [&str; 7] =
    ["cluster", "endpoint", "instance", "job", "metrics_path", "namespace", "pod"];

/// Series of a tenant API server that are kept, selected from its response chunk by chunk.
#[derive(Debug, Default)]
pub(crate) struct ScrapedSeries {
    kept: String,
    samples: u32,
    /// Begin of a line whose end is not received yet.
    line: Vec<u8>,
    /// `true` if the line is too long.
    is_too_long: bool,
}

impl ScrapedSeries {
    /// Adds the next bytes of the response.
    ///
    /// # Errors
    /// `Unavailable` if the kept series exceed the bounds.
    pub(crate) fn add(&mut self, mut chunk: &[u8]) -> Result<()> {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            self.extend_line(&chunk[..end]);
            self.end_line()?;
            chunk = &chunk[end + 1..];
        }
        self.extend_line(chunk);
        Ok(())
    }

    /// Returns the kept series. A last line without an end is not complete, and left out.
    pub(crate) fn finish(self) -> String {
        self.kept
    }

    fn extend_line(&mut self, part: &[u8]) {
        self.is_too_long |= self.line.len() + part.len() > MAX_LINE_BYTES;
        if !self.is_too_long {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        let is_too_long = std::mem::take(&mut self.is_too_long);
        let text = std::str::from_utf8(&line).ok().filter(|_| !is_too_long);
        if let Some(Sample { series, value }) = text.and_then(kept_sample) {
            self.samples += 1;
            let length = series.len() + value.len() + 2;
            if self.samples > SAMPLE_LIMIT || self.kept.len() + length > MAX_BYTES {
                let message = format!(
                    "the tenant API server has too many series; at most {SAMPLE_LIMIT} and {MAX_BYTES} bytes are read"
                );
                return Err(Error::unavailable(message));
            }
            for part in [series, " ", value, "\n"] {
                self.kept.push_str(part);
            }
        }
        // The buffer is reused.
        self.line = line;
        self.line.clear();
        Ok(())
    }
}

/// Sample of a series, without its timestamp.
#[derive(Debug, PartialEq, Eq)]
struct Sample<'a> {
    /// Name and labels, as sent.
    series: &'a str,
    /// Number, as sent.
    value: &'a str,
}

/// Returns the sample of a line; `None` if it is a comment, is not well-formed, or its series is not kept.
fn kept_sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(end);
    if !is_kept_metric(name) {
        return None;
    }
    let (bucket, rest) = match rest.strip_prefix('{') {
        Some(labels) => bucket_of(labels)?,
        None => ("", rest),
    };
    let series = line.get(..line.len() - rest.len())?;
    let mut fields = rest.split_ascii_whitespace();
    let value = fields.next().filter(|value| value.parse::<f64>().is_ok())?;
    let is_complete = fields.next().is_none_or(|timestamp| timestamp.parse::<i64>().is_ok());
    let is_well_formed = is_complete && fields.next().is_none();
    (is_well_formed && is_kept(name, bucket)).then_some(Sample { series, value })
}

/// Reads labels until the closing brace. Returns the value of the label `le`, empty without one, and the rest of the line.
/// `None` for a label that is not well-formed, too long or reserved, and for too many.
fn bucket_of(mut rest: &str) -> Option<(&str, &str)> {
    let (max_labels, max_name, max_value) = LABEL_LIMITS;
    let (mut bucket, mut names): (&str, Vec<&str>) = ("", Vec::new());
    loop {
        rest = rest.trim_start();
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((bucket, rest));
        }
        let (name, value) = rest.split_once('=')?;
        let name = name.trim_end();
        let value = value.trim_start().strip_prefix('"')?;
        let end = end_of_value(value)?;
        let is_valid = is_label_name(name)
            && name.len() <= max_name as usize
            && end <= max_value as usize
            && names.len() < max_labels as usize
            && !names.contains(&name)
            && !name.starts_with("__")
            && !TARGET_LABELS.contains(&name);
        if !is_valid {
            return None;
        }
        names.push(name);
        if name == "le" {
            bucket = &value[..end];
        }
        rest = value[end + 1..].trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

fn is_label_name(name: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_valid) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Position of the quotation mark that ends a value; `None` for an escape that the format does not have.
fn end_of_value(value: &str) -> Option<usize> {
    let mut bytes = value.bytes().enumerate();
    while let Some((position, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(position),
            b'\\' if !matches!(bytes.next(), Some((_, b'\\' | b'"' | b'n'))) => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(text: &str) -> String {
        let mut series = ScrapedSeries::default();
        series.add(text.as_bytes()).unwrap();
        series.finish()
    }

    #[test]
    fn series_of_the_list_are_kept_as_they_are_without_timestamps() {
        for (line, kept) in [
            (
                r#"apiserver_request_total{code="200",verb="GET"} 7"#,
                r#"apiserver_request_total{code="200",verb="GET"} 7"#,
            ),
            ("process_resident_memory_bytes 1.2e+08", "process_resident_memory_bytes 1.2e+08"),
            ("process_resident_memory_bytes\tNaN 1700000000000", "process_resident_memory_bytes NaN"),
            (
                r#"apiserver_request_duration_seconds_bucket{le="+Inf", verb = "a\"b\\c\nd}", } 3 -5"#,
                r#"apiserver_request_duration_seconds_bucket{le="+Inf", verb = "a\"b\\c\nd}", } 3"#,
            ),
            (r#"workqueue_depth{} 1"#, r#"workqueue_depth{} 1"#),
        ] {
            assert_eq!(select(&format!("{line}\n")), format!("{kept}\n"));
        }
    }

    #[test]
    fn other_and_malformed_lines_are_left_out_and_the_others_remain() {
        let long = format!("apiserver_request_total{{code=\"{}\"}} 1", "x".repeat(MAX_LINE_BYTES));
        let wide: Vec<String> = (0..33).map(|number| format!("l{number}=\"1\"")).collect();
        let wide = format!("apiserver_request_total{{{}}} 1", wide.join(","));
        let lengthy = format!("apiserver_request_total{{code=\"{}\"}} 1", "x".repeat(513));
        for line in [
            "",
            "# TYPE apiserver_request_total counter",
            "go_goroutines 7",
            r#"container_cpu_usage_seconds_total{namespace="ws-other"} 1"#,
            r#"apiserver_request_duration_seconds_bucket{le="0.2"} 1"#,
            r#"apiserver_request_duration_seconds_bucket 1"#,
            r#"apiserver_request_total{le="1"} 1"#,
            r#"apiserver_request_total{namespace="ws-other"} 1"#,
            r#"apiserver_request_total{job="kubelet"} 1"#,
            r#"apiserver_request_total{__name__="up"} 1"#,
            r#"apiserver_request_total{code="1",code="2"} 1"#,
            r#"apiserver_request_total{code="1" 1"#,
            r#"apiserver_request_total{code="\x"} 1"#,
            r#"apiserver_request_total{code=1} 1"#,
            r#"apiserver_request_total{"code"="1"} 1"#,
            r#"apiserver_request_total{1code="1"} 1"#,
            r#"apiserver_request_total{code="1";verb="2"} 1"#,
            r#"apiserver_request_total{code="1"} one"#,
            r#"apiserver_request_total{code="1"}"#,
            r#"apiserver_request_total{code="1"} 1 later"#,
            r#"apiserver_request_total{code="1"} 1 2 3"#,
            r#"apiserver_request_total{code="1"} 1 # {trace_id="x"} 1"#,
            &wide,
            &long,
            &lengthy,
        ] {
            let text = format!("{line}\nworkqueue_depth 1\n");
            assert_eq!(select(&text), "workqueue_depth 1\n", "{line}");
        }
        let mut series = ScrapedSeries::default();
        series
            .add(b"apiserver_request_total{code=\"\xff\"} 1\nworkqueue_depth 2\nworkqueue_depth 3")
            .unwrap();
        assert_eq!(series.finish(), "workqueue_depth 2\n", "the last line is not complete");
    }

    #[test]
    fn chunks_end_anywhere() {
        let text = "go_goroutines 7\napiserver_request_total{code=\"200\"} 7\nworkqueue_depth 1\n";
        let expected = select(text);
        for size in 1..text.len() {
            let mut series = ScrapedSeries::default();
            for chunk in text.as_bytes().chunks(size) {
                series.add(chunk).unwrap();
            }
            assert_eq!(series.finish(), expected, "{size}");
        }
    }

    #[test]
    fn samples_and_bytes_are_bounded() {
        let (mut many, mut large) = (ScrapedSeries::default(), ScrapedSeries::default());
        for _ in 0..SAMPLE_LIMIT {
            many.add(b"workqueue_depth 1\n").unwrap();
        }
        assert!(many.add(b"workqueue_depth 1\n").unwrap_err().message().contains("20000"));
        let labels: Vec<String> =
            (0..30).map(|number| format!("l{number}=\"{}\"", "x".repeat(500))).collect();
        let line = format!("workqueue_depth{{{}}} 1\n", labels.join(","));
        let fitting = MAX_BYTES / line.len();
        for _ in 0..fitting {
            large.add(line.as_bytes()).unwrap();
        }
        assert!(large.add(line.as_bytes()).is_err());
    }
}
