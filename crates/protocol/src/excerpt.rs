//! A part of what is too large for one answer of the API.

use serde::{Deserialize, Serialize};

use crate::Checksum;

/// A part of a JSON text, and of which whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The part. Empty at the end.
    pub text: String,
    /// How many bytes the whole has.
    pub size: usize,
    /// The checksum of the whole: a reader who gets another one with the next part begins anew.
    pub digest: Checksum,
}

impl Excerpt {
    /// What stands in a value, written as JSON, from a byte on: at most so many bytes.
    #[must_use]
    pub fn of<T: Serialize>(value: &T, offset: usize, most: usize) -> Self {
        // As with messages, these types hold nothing that JSON cannot.
        let whole = serde_json::to_string(value).unwrap_or_default();
        let rest = whole.get(offset..).unwrap_or_default();
        let text = rest.get(..rest.floor_char_boundary(most)).unwrap_or_default().to_owned();
        Self { text, size: whole.len(), digest: Checksum::of(whole.as_bytes()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_up_the_whole_and_cut_no_character() {
        let (value, mut text) = (vec!["é\"\\".repeat(20), "ü".repeat(7)], String::new());
        loop {
            let part = Excerpt::of(&value, text.len(), 8);
            assert!(part.text.len() <= 8 && part.digest == Excerpt::of(&value, 0, 1).digest);
            text.push_str(&part.text);
            if part.text.is_empty() {
                assert_eq!(text.len(), part.size);
                break;
            }
        }
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).ok(), Some(value));
        assert_eq!(Excerpt::of(&"é", 2, 8).text, "", "not in the middle of a character");
    }
}
