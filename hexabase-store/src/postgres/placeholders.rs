//! Placeholders of a statement, and their replacement.

/// Replaces each placeholder `$n` by the result of `by(n)`. Statements contain no other dollar sign, because values
/// from callers are bound.
pub(super) fn replace_placeholders(sql: &str, by: impl Fn(usize) -> String) -> String {
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
    use super::replace_placeholders;

    #[test]
    fn each_placeholder_is_replaced_by_its_number() {
        let sql = "SELECT a FROM t WHERE a = $1 AND b IN ($10, $2) AND c = $1";
        let shifted = replace_placeholders(sql, |number| format!("${}", number + 3));
        assert_eq!(shifted, "SELECT a FROM t WHERE a = $4 AND b IN ($13, $5) AND c = $4");
    }
}
