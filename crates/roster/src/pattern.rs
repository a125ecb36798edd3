//! Request types that an agent answers: literal, or with `*` for any run of characters.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// The longest pattern, in characters: as long as the longest request type.
const MAX_LEN: usize = 128;

/// A request type, or a pattern of them, as in `get_*_context`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for one request type only.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether a request type fits.
    #[must_use]
    pub fn matches(&self, request_type: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(last) = parts.next_back() else { return self.0 == request_type };
        let Some(rest) = request_type.strip_prefix(first) else { return false };
        let Some(mut rest) = rest.strip_suffix(last) else { return false };
        // Each part takes the earliest place that it can: that leaves the most for the others.
        parts.all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }

    /// Which of two patterns says more: exact before pattern, then more literal characters, then fewer
    /// `*`. The one that says more comes first.
    #[must_use]
    pub fn by_precision(&self, other: &Self) -> Ordering {
        let precision = |pattern: &Self| {
            let stars = pattern.0.matches('*').count();
            (pattern.is_exact(), pattern.0.chars().count() - stars, std::cmp::Reverse(stars))
        };
        precision(other).cmp(&precision(self))
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.chars().count() > MAX_LEN || text.chars().any(char::is_control) {
            return Err(format!("a request type has 1 to {MAX_LEN} characters, none of them a control character"));
        }
        Ok(Self(text))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::try_from(text.to_owned()).unwrap()
    }

    #[rstest::rstest]
    #[case("get_*_context", "get_mlops_context", true)]
    #[case("get_*_context", "get__context", true)]
    #[case("get_*_context", "get_context", false)]
    #[case("get_*_context", "xget_a_context", false)]
    #[case("get_x", "get_x", true)]
    #[case("get_x", "get_xx", false)]
    #[case("*", "anything", true)]
    #[case("a*a", "a", false)]
    #[case("a*a", "aa", true)]
    #[case("*b*c*", "abxc", true)]
    #[case("*b*c*", "acxb", false)]
    #[case("a**z", "az", true)]
    #[case("*ab*ab", "ab", false)]
    #[case("*ab*ab", "xabab", true)]
    fn a_star_is_any_run(#[case] text: &str, #[case] request: &str, #[case] fits: bool) {
        assert_eq!(pattern(text).matches(request), fits);
    }

    #[test]
    fn the_most_precise_comes_first() {
        let mut all = ["*", "get_*", "get_*_context", "get_a_context", "*_context", "get_**_context"].map(pattern);
        all.sort_by(Pattern::by_precision);
        let sorted: Vec<_> = all.iter().map(Pattern::as_str).collect();
        assert_eq!(sorted, ["get_a_context", "get_*_context", "get_**_context", "*_context", "get_*", "*"]);
    }

    proptest::proptest! {
        #[test]
        fn a_pattern_fits_as_a_naive_matcher_says(text in "[ab*]{1,6}", request in "[ab]{0,8}") {
            fn naive(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, None) => true,
                    (Some((b'*', rest)), _) => naive(rest, text) || text.split_first().is_some_and(|(_, t)| naive(pattern, t)),
                    (Some((p, rest)), Some((t, more))) => p == t && naive(rest, more),
                    _ => false,
                }
            }
            proptest::prop_assert_eq!(pattern(&text).matches(&request), naive(text.as_bytes(), request.as_bytes()));
        }
    }
}
