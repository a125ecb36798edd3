//! The normal form of a text: the words by which topics and facts are compared.
//!
//! Owns tokens, plural folding and the stop words. It must never change what is shown to anybody:
//! normal forms are compared, the original words are printed.

use std::collections::BTreeSet;

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Words that carry no subject of their own. A query that asks for the "current" state of a thing
/// asks for the thing, since facts are current.
const STOP_WORDS: &[&str] = &[
    // Articles, pronouns, conjunctions, prepositions.
    "a an the this that these those our my your its their we you i there",
    "and or of for in on at to with by from about as per",
    // What an apostrophe leaves behind: "team's", "don't".
    "s t",
    // Verbs that say no more than that something is there.
    "is are was were be do does did use used has have had can could should would will",
    // Question words and requests.
    "what which who whom whose when where why how many much please tell give show me",
    // The time that every fact is about anyway.
    "current currently existing",
];

/// All words of a text, folded. What facts are matched by.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    tokens(text).into_iter().map(fold).collect()
}

/// The words of a text that say what it is about. Where all are stop words, all are kept: a topic
/// without words would match every fact.
pub(super) fn telling_words(text: &str) -> BTreeSet<String> {
    let telling = |token: &String| !STOP_WORDS.iter().any(|words| words.split(' ').any(|word| word == token));
    let kept: BTreeSet<_> = tokens(text).into_iter().filter(telling).map(fold).collect();
    if kept.is_empty() { words(text) } else { kept }
}

/// NFKD without combining marks, in lower case, cut into runs of letters and digits that may end
/// in `+` or `#`: `nasazení` is `nasazeni`, `ci/cd` is two tokens, `C++` and `c#` survive.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    let plain = text.nfkd().flat_map(char::to_lowercase).filter(|c| !is_combining_mark(*c));
    for c in plain {
        let sign = matches!(c, '+' | '#') && !token.is_empty();
        let new_word = c.is_alphanumeric() && token.ends_with(['+', '#']);
        if new_word || !(sign || c.is_alphanumeric()) {
            tokens.push(std::mem::take(&mut token));
        }
        if sign || c.is_alphanumeric() {
            token.push(c);
        }
    }
    tokens.push(token);
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// Folds the plural: in a word of four or more characters a final `ies` becomes `y`, any other
/// final `s` that does not follow an `s` is dropped. Both sides of a comparison are folded, so it
/// does no harm that `kubernetes` becomes `kubernete`.
fn fold(mut word: String) -> String {
    if word.chars().count() < 4 || word.ends_with("ss") || !word.ends_with('s') {
        return word;
    }
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    word.pop();
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(words: &[&str]) -> BTreeSet<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[rstest::rstest]
    #[case("team.size", &["team", "size"])]
    #[case("repository.contributors.90d", &["repository", "contributor", "90d"])]
    #[case("on_call-rota", &["on", "call", "rota"])]
    #[case("C++ and c#/F#", &["c++", "and", "c#", "f#"])]
    #[case("c++20", &["c++", "20"])]
    #[case("+1 #2", &["1", "2"])]
    #[case("Nasazení", &["nasazeni"])]
    #[case("libraries library", &["library"])]
    #[case("processes, class, AWS, GPUs", &["processe", "class", "aws", "gpu"])]
    #[case("ﬁles", &["file"])]
    #[case("…", &[])]
    fn a_text_has_these_words(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(words(text), set(expected));
    }

    #[rstest::rstest]
    #[case("current infrastructure", &["infrastructure"])]
    #[case("What is the team's size?", &["team", "size"])]
    #[case("How many of the engineers are there", &["engineer"])]
    #[case("Who?", &["who"])]
    #[case("what is it", &["it"])]
    fn stop_words_go_unless_nothing_else_is_there(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(telling_words(text), set(expected));
    }

    proptest! {
        #[test]
        fn case_marks_and_order_do_not_matter(a in "\\w{1,8}", b in "\\w{1,8}") {
            let one = words(&format!("{a} {b}"));
            prop_assert_eq!(&one, &words(&format!("{b}.{a}")));
            let decomposed: String = format!("{a}-{b}").nfd().collect();
            prop_assert_eq!(&one, &words(&decomposed));
        }

        #[test]
        fn a_text_with_words_has_telling_words(text in any::<String>()) {
            prop_assert_eq!(telling_words(&text).is_empty(), words(&text).is_empty());
        }
    }
}
