//! Finding a secret however somebody has spelled it: in capitals or small letters, with the escapes of JSON, also of JSON
//! inside JSON, or with those of an address (`%2F`).
//!
//! Pure. It looks at one place of a text; [`super::Secrets`] goes through all of them.

/// The most backslashes before one character: an escape in JSON inside JSON, four deep.
const DEEPEST: usize = 15;

/// What stands at the beginning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The whole secret, which takes so many bytes.
    Whole(usize),
    /// The text ends, and all of it may be the beginning of the secret.
    Begun,
    /// Something else.
    Nothing,
}

/// Whether a text begins with a secret.
pub(super) fn at_the_front(text: &str, secret: &str) -> Found {
    let mut rest = text;
    let mut before = None;
    for letter in secret.chars() {
        // A run of backslashes stands for one or several of them; nobody can tell.
        if letter == '\\' && before.replace(letter) == Some('\\') {
            continue;
        }
        before = Some(letter);
        rest = match step(rest, letter) {
            Step::To(rest) => rest,
            Step::End => return Found::Begun,
            Step::No => return Found::Nothing,
        };
    }
    Found::Whole(text.len() - rest.len())
}

enum Step<'a> {
    /// The letter is there; this follows it.
    To(&'a str),
    /// The text ends before it can be told.
    End,
    No,
}

/// Whether a text begins with this letter.
fn step(text: &str, letter: char) -> Step<'_> {
    // No further than that: a text may be nothing but backslashes, and each of its places is looked at.
    let backslashes = text.bytes().take(DEEPEST + 1).take_while(|byte| *byte == b'\\').count();
    if backslashes > DEEPEST {
        return Step::No;
    }
    let after = text.get(backslashes..).unwrap_or_default();
    if letter == '\\' && backslashes > 0 {
        return Step::To(after);
    }
    let escaped = match after.chars().next() {
        None => return Step::End,
        Some('u') if backslashes > 0 => code(after, 'u', 4, letter),
        Some('%') => code(after, '%', 2, letter),
        Some(_) => Step::No,
    };
    match escaped {
        Step::No => literal(after, letter),
        told => told,
    }
}

fn literal(text: &str, letter: char) -> Step<'_> {
    let mut letters = text.chars();
    match letters.next() {
        Some(found) if found.eq_ignore_ascii_case(&letter) => Step::To(letters.as_str()),
        _ => Step::No,
    }
}

/// The letter as a mark and its code in so many hexadecimal digits.
fn code<'a>(text: &'a str, mark: char, digits: usize, letter: char) -> Step<'a> {
    let Some(after) = text.strip_prefix(mark) else { return Step::No };
    let Some((code, rest)) = after.split_at_checked(digits) else {
        let may_be = after.len() < digits && after.chars().all(|digit| digit.is_ascii_hexdigit());
        return if may_be { Step::End } else { Step::No };
    };
    let found = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
    if found.is_some_and(|found| found.eq_ignore_ascii_case(&letter)) { Step::To(rest) } else { Step::No }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("a/B+c", "and more")]
    #[case("A/b+C", "")]
    #[case(r"a\/B+c", "")]
    #[case(r"a\\\/B+c", "")]
    #[case(r"\u0061\/\u0042+c", "")]
    #[case(r"\\u0061/\\\u0042\u002Bc", "")]
    #[case("a%2fB%2Bc", "%")]
    fn a_secret_is_found_however_it_is_spelled(#[case] spelled: &str, #[case] after: &str) {
        assert_eq!(at_the_front(&format!("{spelled}{after}"), "a/B+c"), Found::Whole(spelled.len()));
        for (end, _) in spelled.char_indices() {
            let begun = spelled.split_at(end).0;
            assert_eq!(at_the_front(begun, "a/B+c"), Found::Begun, "{begun}");
        }
    }

    #[rstest::rstest]
    #[case("a/B-c")]
    #[case(r"a\u00zzB+c")]
    #[case("a%2gB+c")]
    #[case(r"\\\\\\\\\\\\\\\\a/B+c")]
    fn nothing_else_is(#[case] text: &str) {
        assert_eq!(at_the_front(text, "a/B+c"), Found::Nothing);
    }

    #[rstest::rstest]
    #[case("50%2G", "50%2G")]
    #[case(r"c:\dir", r"c:\dir")]
    #[case(r"c:\\dir", r"c:\dir")]
    #[case(r"c:\dir", r"c:\\dir")]
    #[case("ünder", "ünder")]
    #[case(r"\u00fcnder", "ünder")]
    fn marks_of_escapes_may_be_part_of_it(#[case] text: &str, #[case] secret: &str) {
        assert_eq!(at_the_front(text, secret), Found::Whole(text.len()));
    }
}
