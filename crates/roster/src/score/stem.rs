//! The stem of a word, roughly: what "deploy", "deploys" and "deployment" have in common, or
//! "nasazení" and "nasazovat". English and Czech endings, without their accents.
//!
//! Used for the words of descriptions only. A keyword is matched by the rule in `keywords.rs`.

use std::{collections::BTreeSet, sync::LazyLock};

/// Endings that are taken off, each before those that it ends with.
const ENDINGS: [&str; 95] = [
    "izations", "isations", "ization", "isation", "ations", "ation", "itions", "ition", "ments", "ment", "ness", "ings", "ing", "ities",
    "ity", "ances", "ance", "ences", "ence", "ables", "able", "ibles", "ible", "ives", "ive", "izes", "ized", "izer", "ize", "ises",
    "ised", "iser", "ise", "iz", "ions", "ion", "ors", "or", "ers", "er", "ies", "ied", "ical", "ic", "als", "al", "ously", "ous", "ful",
    "ed", "ly", "es", "ovani", "ovana", "ovane", "ovany", "ovat", "ovych", "oveho", "ovou", "ovy", "ova", "ove", "ovi", "enim", "eni",
    "ani", "nich", "ich", "ych", "eho", "ymi", "imi", "emi", "ami", "osti", "ost", "en", "em", "ou", "um", "am", "om", "ach", "ech", "ym",
    "im", "mi", "at", "it", "s", "a", "e", "i", "o",
];

/// How many letters are left at least.
const LEAST: usize = 4;

/// How many letters of a stem count. What comes after is more ending than stem.
const MOST: usize = 7;

/// The longest word that is looked at, in bytes. What is longer is no word of a language.
const LONGEST: usize = 64;

/// The stem of a normalised word. Short words, and those with digits or signs, are their own.
pub(super) fn stem(word: &str) -> &str {
    if word.len() > LONGEST || !word.chars().all(char::is_alphabetic) {
        return word;
    }
    let mut stem = word;
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| stem.strip_suffix(ending).filter(|rest| rest.chars().count() >= LEAST)) {
        stem = shorter;
    }
    let stem = stem.strip_suffix(['y', 'u']).filter(|rest| rest.chars().count() >= LEAST).unwrap_or(stem);
    let end = stem.char_indices().nth(MOST).map_or(stem.len(), |(at, _)| at);
    stem.get(..end).unwrap_or(stem)
}

/// Words that say nothing of what a text is about, in English and Czech: function words, and what any
/// request begins with.
const EMPTY: [&str; 9] = [
    "a an the this that these those it its i you he she we they me my your our their us them who whom whose which what",
    "and or but nor so if then than as of for in on at to with without by from into about over under between through per via up out off",
    "is are was were be been being am do does did done has have had having can could should would will shall may might must",
    "not no yes all any some each every both few more most other such only own same too very just also how why when where there here",
    "please help need needs want wants like get give let make makes show tell know use uses used using when s t d ll re ve m",
    "proc jak co kdo kde kdy kolik ktery ktera ktere kterou jaky jaka jake je jsou byl byla bylo byt bude budou jsem jsi jsme jste mam mame",
    "a i o u v z s k na do od po pro pri pred za ze ke ku se si to ten ta te ti ty tento tato toto tuto teto tomu tom ho mu ji jim jich",
    "ale nebo ani aby kdyz pokud protoze take tak jako uz jen ne ano muj moje me nas nase vas vase svuj sve svou",
    "prosim potrebuji potrebuju chci mi mne muzes muzete mohu muze dej pomoz",
];

/// Whether a normalised word says nothing of what a text is about.
pub(super) fn is_empty(word: &str) -> bool {
    static WORDS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| EMPTY.iter().flat_map(|line| line.split(' ')).collect());
    WORDS.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(&["deploy", "deploys", "deployed", "deploying", "deployment", "deployments"])]
    #[case(&["optimize", "optimizing", "optimization", "optimizer"])]
    #[case(&["test", "tests", "testing", "tester", "testovani", "testovat"])]
    #[case(&["nasazeni", "nasazenim", "nasazovat", "nasazovani"])]
    #[case(&["databaze", "databazi", "databazich", "databazemi"])]
    #[case(&["kontejner", "kontejnery", "kontejneru", "kontejnerech"])]
    fn forms_of_a_word_have_one_stem(#[case] forms: &[&str]) {
        let stems: BTreeSet<_> = forms.iter().map(|form| stem(form)).collect();
        assert_eq!(stems.len(), 1, "{stems:?}");
    }

    #[test]
    fn short_words_and_names_are_their_own() {
        for word in ["api", "data", "c++", "s3", "k8s", ""] {
            assert_eq!(stem(word), word);
        }
        assert_ne!(stem("model"), stem("module"));
        let long = "ing".repeat(100_000);
        assert_eq!(stem(&long), long);
    }

    #[test]
    fn function_words_say_nothing() {
        assert!(["the", "what", "jak", "pro", "s"].into_iter().all(is_empty));
        assert!(!["deploy", "test", "prompt"].into_iter().any(is_empty));
    }
}
