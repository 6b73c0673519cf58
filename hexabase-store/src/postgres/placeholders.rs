//! Rewriting the placeholders of a statement.

/// The statement with each placeholder `$n` replaced by what `by` says. Statements here hold no text in which a
/// dollar sign means anything else: what callers bring is bound.
pub(super) fn replaced(sql: &str, by: impl Fn(usize) -> String) -> String {
    let mut out = String::with_capacity(sql.len() + 16);
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('$') {
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = after.split_at(digits);
        out.push_str(before);
        match number.parse() {
            Ok(number) => out.push_str(&by(number)),
            Err(_) => out.push('$'),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn each_placeholder_is_replaced_by_its_number() {
        let sql = "SELECT a FROM t WHERE a = $1 AND b IN ($10, $2) AND c = $1";
        let shifted = replaced(sql, |number| format!("${}", number + 3));
        assert_eq!(shifted, "SELECT a FROM t WHERE a = $4 AND b IN ($13, $5) AND c = $4");
    }
}
