//! How texts are made comparable: one rule for keywords, queries and topics.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The words of a text: NFKD without combining marks, lower-case, runs of letters and digits, each
/// with the `+` and `#` that follow it.
///
/// ```
/// assert_eq!(roster::tokens("Nasazení přes CI/CD, C++ a c#"), ["nasazeni", "pres", "ci", "cd", "c++", "a", "c#"]);
/// ```
#[must_use]
pub fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    let plain = text.nfkd().flat_map(char::to_lowercase).nfkd().filter(|c| !is_combining_mark(*c));
    for c in plain {
        let suffix = matches!(c, '+' | '#') && !token.is_empty();
        let goes_on = suffix || (c.is_alphanumeric() && !token.ends_with(['+', '#']));
        if !goes_on && !token.is_empty() {
            tokens.push(std::mem::take(&mut token));
        }
        if goes_on || c.is_alphanumeric() {
            token.push(c);
        }
    }
    if !token.is_empty() {
        tokens.push(token);
    }
    tokens
}

/// A text as its words with single spaces between them; two texts that normalise alike are one keyword.
#[must_use]
pub fn normalise(text: &str) -> String {
    tokens(text).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("nasazení", "nasazeni")]
    #[case("ci/cd", "ci cd")]
    #[case("C++17", "c++ 17")]
    #[case("  + # ", "")]
    #[case("ﬁne ﬂow", "fine flow")]
    #[case("İstanbul", "istanbul")]
    #[case("snake_case", "snake case")]
    fn texts_are_made_comparable(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(normalise(text), expected);
        assert_eq!(normalise(expected), expected);
    }
}
