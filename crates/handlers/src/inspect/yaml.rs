//! Reads YAML that nobody vouches for.
//!
//! Owns the limits under which it is parsed. Errors name a place, never a part of the content.

use serde_json::Value;

/// All documents of a text, without the empty ones. `on` and `yes` are words, as YAML 1.2 has it.
///
/// # Errors
/// Why it is not YAML, in words.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! {
        // Aliases that multiply are refused long before they fill the memory.
        budget: serde_saphyr::budget! { max_nodes: 100_000 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| match error.location() {
        Some(at) => format!("not plain YAML (line {}, column {})", at.line(), at.column()),
        None => "not plain YAML".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn several_documents_are_read() {
        assert_eq!(documents("a: 1\n---\n# nothing\n---\na: [x, on]\n").unwrap(), [json!({ "a": 1 }), json!({ "a": ["x", "on"] })]);
        assert_eq!(documents("").unwrap(), Vec::<Value>::new());
        assert_eq!(documents("a: 1\na: 2\n").unwrap(), [json!({ "a": 2 })]);
    }

    #[rstest::rstest]
    #[case::template("a: {{ .Values.secret }}\n  b: }}")]
    #[case::open("a: [1, 2")]
    #[case::deep(&"[".repeat(10_000))]
    #[case::deep_mapping(&(0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth % 400))).collect::<String>())]
    fn what_is_no_yaml_is_an_error(#[case] text: &str) {
        let why = documents(text).unwrap_err();
        assert!(why.starts_with("not plain YAML") && !why.contains("secret"), "{why}");
    }

    #[test]
    fn aliases_cannot_multiply_without_end() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert!(documents(&text).is_err());
    }
}
