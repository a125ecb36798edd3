//! Finding a secret however somebody has spelled it: in capitals or small letters, with the escapes of JSON, also of JSON
//! inside JSON, with those of an address (`%2F`), and with each of its bytes taken for a letter, as HTTP does with headers.
//!
//! Pure. It looks at one place of a text; [`super::Secrets`] goes through all of them.

/// The most backslashes before one character: an escape in JSON inside JSON, four deep.
const DEEPEST: usize = 15;

/// How often the mark of an address's escape may be escaped itself (`%2541`).
const NESTED: usize = 3;

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
    if is_far_off(text, secret) {
        return Found::Nothing;
    }
    // A text can be read in several ways: each reading goes on at its own place, and they are few.
    let mut places = vec![text];
    let (mut begun, mut before) = (false, None);
    for letter in secret.chars() {
        let mut next = Vec::new();
        // A run of backslashes stands for one or several of them; nobody can tell.
        if letter == '\\' && before.replace(letter) == Some('\\') {
            next.clone_from(&places);
        }
        before = Some(letter);
        for spelling in spellings(letter) {
            begun |= follow(&places, &spelling, &mut next);
        }
        if next.is_empty() {
            return if begun { Found::Begun } else { Found::Nothing };
        }
        places = next;
    }
    let rest = places.iter().map(|rest| rest.len()).min().unwrap_or_default();
    Found::Whole(text.len() - rest)
}

/// Whether a text plainly begins with something else, as nearly every one does.
fn is_far_off(text: &str, secret: &str) -> bool {
    let Some((found, letter)) = text.chars().next().zip(secret.chars().next()) else { return false };
    !matches!(found, '\\' | '%') && (found.is_ascii() || letter.is_ascii()) && !found.eq_ignore_ascii_case(&letter)
}

/// The code units that may stand for a letter: its own, or its other case's; the two of UTF-16; the bytes of UTF-8.
fn spellings(letter: char) -> Vec<Vec<u32>> {
    if letter.is_ascii() {
        return vec![vec![letter.into()]];
    }
    let cases = [Some(letter), only(letter.to_lowercase()), only(letter.to_uppercase())];
    let mut all = Vec::new();
    for letter in cases.into_iter().flatten() {
        all.push(vec![letter.into()]);
        all.push(letter.encode_utf16(&mut [0; 2]).iter().copied().map(u32::from).collect());
        all.push(letter.encode_utf8(&mut [0; 4]).bytes().map(u32::from).collect());
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn only(mut letters: impl ExactSizeIterator<Item = char>) -> Option<char> {
    if letters.len() == 1 { letters.next() } else { None }
}

/// Goes on from each place over these units, and notes where that leads. Returns whether a text ended on the way.
fn follow<'a>(places: &[&'a str], spelling: &[u32], next: &mut Vec<&'a str>) -> bool {
    let (mut here, mut ended) = (places.to_vec(), false);
    for unit in spelling {
        let mut readings = Readings::default();
        here.iter().for_each(|place| readings.of(place));
        ended |= readings.ended;
        here = readings.all.into_iter().filter(|(read, _)| same(*read, *unit)).map(|(_, rest)| rest).collect();
        here.dedup_by_key(|rest| rest.len());
    }
    here.retain(|place| next.iter().all(|other| other.len() != place.len()));
    next.append(&mut here);
    ended
}

fn same(one: u32, other: u32) -> bool {
    let letter = |unit: u32| u8::try_from(unit).ok().filter(u8::is_ascii);
    one == other || letter(one).zip(letter(other)).is_some_and(|(one, other)| one.eq_ignore_ascii_case(&other))
}

/// What the beginning of a text may stand for: a code unit each, and what follows it.
#[derive(Default)]
struct Readings<'a> {
    all: Vec<(u32, &'a str)>,
    /// Whether the text ends before all can be told.
    ended: bool,
}

impl<'a> Readings<'a> {
    fn of(&mut self, text: &'a str) {
        // No further than that: a text may be nothing but backslashes, and each of its places is looked at.
        let backslashes = text.bytes().take(DEEPEST + 1).take_while(|byte| *byte == b'\\').count();
        if backslashes > DEEPEST {
            return;
        }
        let after = text.get(backslashes..).unwrap_or_default();
        if backslashes > 0 {
            self.all.push(('\\'.into(), after));
            self.code(after.strip_prefix('u'), 4, 0);
        }
        let mut letters = after.chars();
        match letters.next() {
            Some(letter) => self.read(letter.into(), letters.as_str(), 0),
            None => self.ended = true,
        }
    }

    /// A unit; of an address's mark, also what it escapes.
    fn read(&mut self, unit: u32, rest: &'a str, nested: usize) {
        self.all.push((unit, rest));
        if unit == u32::from('%') && nested < NESTED {
            self.code(Some(rest), 2, nested + 1);
        }
    }

    /// A unit as so many hexadecimal digits, after their mark.
    fn code(&mut self, digits: Option<&'a str>, count: usize, nested: usize) {
        let Some(text) = digits else { return };
        let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        match text.split_at_checked(count) {
            Some((code, rest)) if is_hex(code) => {
                let unit = u32::from_str_radix(code, 16).unwrap_or_default();
                self.read(unit, rest, nested);
            }
            Some(_) => {}
            None => self.ended |= is_hex(text),
        }
    }
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
    #[case("a%252fB%2Bc", "")]
    #[case(r"a\u00252FB+c", "")]
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
    #[case("%C3%BCnder", "ünder")]
    #[case("ÜNDER", "ünder")]
    #[case("%c3%9cNDER", "ünder")]
    #[case("%FCnder", "ünder")]
    #[case("Ã¼nder", "ünder")]
    #[case(r"\u00c3\u00bcnder", "ünder")]
    #[case(r"key\ud83d\ude00end", "key😀end")]
    #[case(r"key\\uD83D\\uDE00end", "key😀end")]
    #[case("key%F0%9F%98%80end", "key😀end")]
    #[case(r"\u0063\u003a\u005c\u0064\u0069\u0072", r"c:\dir")]
    #[case(r"c:\u005c\u005cdir", r"c:\\dir")]
    #[case(r"c:\u005cdir", r"c:\u005cdir")]
    fn marks_of_escapes_may_be_part_of_it(#[case] text: &str, #[case] secret: &str) {
        assert_eq!(at_the_front(text, secret), Found::Whole(text.len()));
    }
}
