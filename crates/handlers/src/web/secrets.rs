//! Keys: where they come from, and how they are kept out of everything that is said.
//!
//! A key is read when it is used, so that a new one counts at once, and is forgotten with the attempt. Whatever comes back from the
//! other side goes through [`Secrets::hide`] before the ledger, a log or a person sees it: an endpoint may quote the key that it was sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fs::File,
    io::Read,
    path::Path,
};

use agentbus::Fault;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use roster::KeySource;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Number, Value};

use super::spelled::{Found, at_the_front};

/// What stands where a secret was.
const HIDDEN: &str = "[redacted]";

/// Shorter texts are not looked for: they would be found everywhere.
const SHORTEST: usize = 6;

/// The longest file that is taken for a key, in bytes.
const LONGEST_FILE: u64 = 64 << 10;

/// Texts that nobody may see.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<SecretString>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// A key, or a variable, that is not there. It says where it was looked for, and not what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MissingSecret {
    #[error("the variable {0} is not set where the agent runs")]
    Variable(String),
    #[error("the file {0} cannot be read, or holds no key")]
    File(String),
    #[error("{0} holds what no header can carry")]
    Unfit(String),
}

impl From<MissingSecret> for Fault {
    fn from(missing: MissingSecret) -> Self {
        let hint = "Set it where the agents run, or name another place in the agent's block: key: env:NAME or file:PATH.";
        Self::fail("no_key", missing.to_string()).with("hint", hint)
    }
}

impl Secrets {
    /// Reads a key. A relative file lies in `workdir`.
    pub(crate) fn key(&mut self, source: &KeySource, workdir: &Path) -> Result<SecretString, MissingSecret> {
        let (text, place) = match source {
            KeySource::Env(name) => (variable(name), MissingSecret::Variable(name.clone())),
            KeySource::File(path) => (content(&workdir.join(path)), MissingSecret::File(path.display().to_string())),
        };
        let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).ok_or(place)?;
        if text.chars().any(char::is_control) {
            return Err(MissingSecret::Unfit(source.to_string()));
        }
        Ok(self.keep(text))
    }

    /// The headers with each `${NAME}` replaced by what the variable holds. What a variable held is a secret from here on.
    pub(crate) fn headers(&mut self, headers: &BTreeMap<String, String>) -> Result<Vec<(String, String)>, MissingSecret> {
        headers.iter().map(|(name, value)| Ok((name.clone(), self.expand(value)?))).collect()
    }

    fn expand(&mut self, value: &str) -> Result<String, MissingSecret> {
        let (mut expanded, mut rest) = (String::new(), value);
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else { break };
            let held = variable(name).ok_or_else(|| MissingSecret::Variable(name.to_owned()))?;
            if held.chars().any(char::is_control) {
                return Err(MissingSecret::Unfit(name.to_owned()));
            }
            expanded = expanded + before + self.keep(held).expose_secret();
            rest = after;
        }
        Ok(expanded + rest)
    }

    /// The text without the secrets, however it spells them.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.shown(text, false).0
    }

    /// The value without the secrets, in names of fields, too.
    pub(crate) fn hide_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.hide(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.hide_in(item)).collect(),
            Value::Object(fields) => {
                let mut shown = Map::new();
                for (name, value) in fields {
                    shown.insert(unlike(&shown, self.hide(&name)), self.hide_in(value));
                }
                Value::Object(shown)
            }
            Value::Number(number) => {
                let (text, shown) = (number.to_string(), self.hide(&number.to_string()));
                match text == shown {
                    true if self.is_rounded(&number) => Value::String(HIDDEN.to_owned()),
                    true => Value::Number(number),
                    false => Value::String(shown),
                }
            }
            other => other,
        }
    }

    /// Whether a number is a secret that was too long for one.
    fn is_rounded(&self, number: &Number) -> bool {
        let is_it = |secret: &SecretString| secret.expose_secret().parse::<f64>().ok() == number.as_f64();
        number.is_f64() && self.0.iter().any(is_it)
    }

    /// A text that is JSON, or was to be, without the secrets. JSON stays JSON; what holds no secret stays as it is.
    pub(crate) fn hide_in_json(&self, text: &str) -> String {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return self.hide(text) };
        let shown = self.hide_in(value.clone());
        // Of two fields of one name, only the last is in the value, and both are in the text.
        if shown == value { self.hide(text) } else { shown.to_string() }
    }

    /// Takes from the front of a text that is still growing, or was cut, what can be shown: its end stays, if a secret may
    /// begin there.
    pub(crate) fn settled(&self, growing: &mut String) -> String {
        let (shown, rest) = self.shown(growing, true);
        *growing = rest.to_owned();
        shown
    }

    /// What can be shown of a text, and its end that cannot yet, where it may go on.
    fn shown<'a>(&self, text: &'a str, goes_on: bool) -> (String, &'a str) {
        let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(letter) = rest.chars().next() {
            // The longest first: one may be part of another.
            let found = self.0.iter().map(|secret| at_the_front(rest, secret.expose_secret()));
            let mut found = found.filter(|found| matches!(found, Found::Whole(_)) || goes_on && *found == Found::Begun);
            let taken = match found.next() {
                Some(Found::Whole(taken)) => {
                    shown.push_str(HIDDEN);
                    taken
                }
                Some(_) => break,
                None => {
                    shown.push(letter);
                    letter.len_utf8()
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        (shown, rest)
    }

    /// Notes a secret. A variable may hold more than the key itself, and an endpoint may quote any part of it: what stands
    /// after the name of a scheme (`Bearer …`), and the password in the credentials of basic authentication (RFC 7617).
    fn note(&mut self, text: &str) {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let schemeless = parts.iter().skip(usize::from(parts.len() > 1));
        let pairs = parts.iter().filter_map(|part| String::from_utf8(STANDARD.decode(part).ok()?).ok());
        let passwords: Vec<String> = pairs.filter_map(|pair| Some(pair.split_once(':')?.1.to_owned())).collect();
        let all = [text.trim()].into_iter().chain(schemeless.copied()).chain(passwords.iter().map(String::as_str));
        let all: BTreeSet<&str> = all.filter(|part| part.len() >= SHORTEST).collect();
        self.0.extend(all.into_iter().map(SecretString::from));
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    }

    fn keep(&mut self, text: String) -> SecretString {
        self.note(&text);
        SecretString::from(text)
    }
}

/// A name that no field has yet.
fn unlike(fields: &Map<String, Value>, name: String) -> String {
    let numbered = (2..).map(|number| format!("{name} {number}"));
    let free = |name: &String| !fields.contains_key(name);
    std::iter::once(name.clone()).chain(numbered).find(free).unwrap_or(name)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

fn content(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(LONGEST_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const KEY: &str = "sk-secret-0123456789";

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        let _ = secrets.keep(KEY.to_owned());
        secrets
    }

    #[test]
    fn nobody_sees_a_secret() {
        let secrets = secrets();
        assert_eq!(secrets.hide(&format!("bad key {KEY}, twice {KEY}")), "bad key [redacted], twice [redacted]");
        assert_eq!(secrets.hide_in(json!({ KEY: [KEY, 1] })), json!({ "[redacted]": ["[redacted]", 1] }));
        assert_eq!(format!("{secrets:?}"), "Secrets(1)");
    }

    #[rstest::rstest]
    #[case(r#"{"error":"bad key a\/b+\u0063\u002Fd"}"#, r#"{"error":"bad key [redacted]"}"#)]
    #[case(
        r#"{"error":"upstream: {\"error\":\"bad key a\\/b+\\u0063/d\"}"}"#,
        r#"{"error":"upstream: {\"error\":\"bad key [redacted]\"}"}"#
    )]
    #[case(r#"{"as it is" : 1.50}"#, r#"{"as it is" : 1.50}"#)]
    #[case("text/A/B+C/D at ?key=a%2Fb%2bc/d", "text/[redacted] at ?key=[redacted]")]
    #[case(r#"{"a\/b+c/d":[{"x":"a\/b+c\/d"}]}"#, r#"{"[redacted]":[{"x":"[redacted]"}]}"#)]
    #[case(r#"{"error":"bad key a\/b+\u0063\u002fd, and cut "#, r#"{"error":"bad key [redacted], and cut "#)]
    #[case(r#"{"pin": 12345678}"#, r#"{"pin":"[redacted]"}"#)]
    #[case(r#"{"x":"a\/b+c/d","x":"ok"}"#, r#"{"x":"[redacted]","x":"ok"}"#)]
    #[case(r#"{"x":"a\/b+c/d","x":"a/b+c/d"}"#, r#"{"x":"[redacted]"}"#)]
    #[case(r#"{"pin": 12345678901234567890123456789}"#, r#"{"pin":"[redacted]"}"#)]
    #[case(r#"{"pin": 1.5}"#, r#"{"pin": 1.5}"#)]
    #[case(r#"{"a/b+c/d":1,"A/B+C/D":2}"#, r#"{"[redacted]":2,"[redacted] 2":1}"#)]
    #[case("plain a/b+c/d", "plain [redacted]")]
    #[case(r"plain \u00 \x \", r"plain \u00 \x \")]
    fn a_secret_may_be_written_in_the_many_ways_of_json(#[case] text: &str, #[case] shown: &str) {
        let mut secrets = Secrets::default();
        for key in ["a/b+c/d", "12345678", "12345678901234567890123456789"] {
            let _ = secrets.keep(key.to_owned());
        }
        assert_eq!(secrets.hide_in_json(text), shown);
    }

    #[rstest::rstest]
    #[case("Bearer tok-0123456789", "bad token tok-0123456789", "bad token [redacted]")]
    #[case("  tok-0123456789 ", "tok-0123456789, Bearer", "[redacted], Bearer")]
    #[case("Basic bWU6aHVudGVyMg==", "bWU6aHVudGVyMg== is me, hunter2", "[redacted] is me, [redacted]")]
    #[case("12345", "12345", "12345")]
    fn every_part_that_could_be_used_is_a_secret(#[case] held: &str, #[case] said: &str, #[case] shown: &str) {
        let mut secrets = Secrets::default();
        let _ = secrets.keep(held.to_owned());
        assert_eq!(secrets.hide(said), shown);
    }

    #[test]
    fn a_text_of_nothing_but_escapes_takes_no_time() {
        let (secrets, text, begun) = (secrets(), "\\".repeat(1 << 20), std::time::Instant::now());
        assert!(secrets.hide(&text) == text);
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn of_two_secrets_that_begin_alike_the_longer_is_waited_for() {
        let mut secrets = secrets();
        let _ = secrets.keep(format!("{KEY}-and-more"));
        let mut growing = KEY.to_owned();
        assert_eq!(secrets.settled(&mut growing), "");
        growing.push_str("-and-more.");
        assert_eq!((secrets.settled(&mut growing).as_str(), growing.as_str()), ("[redacted].", ""));
    }

    #[rstest::rstest]
    #[case(KEY)]
    #[case(r"\u0073k-\u0073ecret-0123456789")]
    fn a_secret_that_comes_letter_by_letter_is_not_seen_either(#[case] spelled: &str) {
        let secrets = secrets();
        let text = format!("Your key: {spelled}. And sk-, which is none: é.");
        let (mut growing, mut shown) = (String::new(), String::new());
        for letter in text.chars() {
            growing.push(letter);
            shown += &secrets.settled(&mut growing);
        }
        shown += &secrets.hide(&growing);
        assert_eq!(shown, text.replace(spelled, HIDDEN));
    }

    #[test]
    fn what_may_begin_a_secret_waits_and_the_rest_does_not() {
        let (secrets, mut growing) = (secrets(), "it is sk-se".to_owned());
        assert_eq!((secrets.settled(&mut growing).as_str(), growing.as_str()), ("it is ", "sk-se"));
        let mut growing = "nothing".to_owned();
        assert_eq!((Secrets::default().settled(&mut growing).as_str(), growing.as_str()), ("nothing", ""));
    }

    #[test]
    fn variables_are_expanded_and_become_secrets() {
        // A variable that every test run has.
        let path = env::var("PATH").unwrap();
        let mut secrets = Secrets::default();
        let headers = BTreeMap::from([("x-a".to_owned(), "<${PATH}> ${".to_owned()), ("x-b".to_owned(), "plain".to_owned())]);
        let expanded = secrets.headers(&headers).unwrap();
        assert_eq!(expanded, [("x-a".to_owned(), format!("<{path}> ${{")), ("x-b".to_owned(), "plain".to_owned())]);
        assert_eq!(secrets.hide(&path), HIDDEN);
        let missing = BTreeMap::from([("x-a".to_owned(), "${NO_SUCH_VARIABLE_HERE}".to_owned())]);
        assert_eq!(secrets.headers(&missing), Err(MissingSecret::Variable("NO_SUCH_VARIABLE_HERE".to_owned())));
    }

    #[test]
    fn a_key_in_a_file_is_read_without_the_white_space_around_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
        std::fs::write(folder.path().join("two"), "a\nb").unwrap();
        let mut secrets = Secrets::default();
        let mut read = |name: &str| secrets.key(&KeySource::File(name.into()), folder.path()).map(|key| key.expose_secret().to_owned());
        assert_eq!(read("key").unwrap(), KEY);
        assert_eq!(read("none"), Err(MissingSecret::File("none".to_owned())));
        assert_eq!(read("two"), Err(MissingSecret::Unfit("file:two".to_owned())));
    }
}
