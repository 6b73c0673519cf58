//! The documentation agrees with the code.

use std::path::Path;

use hexabase_core::access::permission_table_as_markdown;

#[test]
fn the_permission_table_in_the_documentation_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/access.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (head, _) = text.split_once("| action |").unwrap();
    let current = format!("{head}{}", permission_table_as_markdown());
    if std::env::var_os("HEXABASE_TEST_UPDATE").is_some() {
        std::fs::write(&file, &current).unwrap();
    }
    assert!(
        text == current,
        "docs/access.md is out of date; run this test again with HEXABASE_TEST_UPDATE=1"
    );
}
