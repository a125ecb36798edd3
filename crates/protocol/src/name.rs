//! Agent names, and their one injective spelling as a subject token.
//!
//! Nothing else in the code turns a name into a token or back.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

/// The longest name, in characters.
const MAX_LEN: usize = 64;

/// The name under which coordinators write. Nobody else may take it.
const COORDINATOR: &str = "coordinator";

/// Words that stand in the `to` token for something other than one agent.
const WILDCARDS: [&str; 2] = ["any", "all"];

/// The name of an agent or a requester: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, case-sensitive.
///
/// Some real names contain dots (`powershell-5.1-expert`), which would split a subject, so a
/// name's token spells `.` as `=`. No name contains `=`, so no two names share a token.
///
/// ```
/// use protocol::Name;
/// let name: Name = "powershell-5.1-expert".parse()?;
/// assert_eq!(name.token(), "powershell-5=1-expert");
/// assert_eq!(Name::from_token(&name.token())?, name);
/// # Ok::<(), protocol::NameError>(())
/// ```
///
/// Cloning is cheap: all clones share one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(Arc<str>);

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing at all.
    #[error("a name may not be empty")]
    Empty,
    /// More than 64 characters.
    #[error("a name has at most {MAX_LEN} characters")]
    TooLong,
    /// A character that may not stand where it does.
    #[error("{0:?} may not stand in a name: use letters, digits, '.', '_' and '-', and begin with a letter or digit")]
    Character(char),
    /// `any`, `all` or `coordinator`.
    #[error("'{0}' is reserved: choose another name")]
    Reserved(String),
}

impl NameError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "bad_name"
    }
}

impl Name {
    /// The coordinator's own name.
    #[must_use]
    pub fn coordinator() -> Self {
        Self(COORDINATOR.into())
    }

    /// Whether this is the coordinator's name.
    #[must_use]
    pub fn is_coordinator(&self) -> bool {
        &*self.0 == COORDINATOR
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as one subject token.
    #[must_use]
    pub fn token(&self) -> String {
        self.0.replace('.', "=")
    }

    /// Reads a subject token back.
    ///
    /// # Errors
    /// When the token is not one that [`Name::token`] makes.
    pub fn from_token(token: &str) -> Result<Self, NameError> {
        if token.contains('.') {
            return Err(NameError::Character('.'));
        }
        if token.contains('=') { Self::written(&token.replace('=', ".")) } else { Self::written(token) }
    }

    /// A name as it may stand in a stored message, where coordinators sign too.
    fn written(text: &str) -> Result<Self, NameError> {
        let first = text.chars().next().ok_or(NameError::Empty)?;
        if !first.is_ascii_alphanumeric() {
            return Err(NameError::Character(first));
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(bad) = text.chars().find(|c| !allowed(c)) {
            return Err(NameError::Character(bad));
        }
        if text.len() > MAX_LEN {
            return Err(NameError::TooLong);
        }
        if WILDCARDS.contains(&text) {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

/// A name that somebody wants to go by: the reserved ones are refused.
impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let name = Self::written(text)?;
        if name.is_coordinator() {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(name)
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::written(&text)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of an agent or a requester, case-sensitive.",
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
            "not": { "enum": WILDCARDS },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";

    #[rstest::rstest]
    #[case("", NameError::Empty)]
    #[case("*", NameError::Character('*'))]
    #[case(">", NameError::Character('>'))]
    #[case(".", NameError::Character('.'))]
    #[case("..", NameError::Character('.'))]
    #[case("$JS", NameError::Character('$'))]
    #[case("a b", NameError::Character(' '))]
    #[case("a\r\nPUB x", NameError::Character('\r'))]
    #[case("a\0", NameError::Character('\0'))]
    #[case("a=b", NameError::Character('='))]
    #[case("a/b", NameError::Character('/'))]
    #[case("../a", NameError::Character('.'))]
    #[case("a\u{202e}b", NameError::Character('\u{202e}'))]
    #[case("é", NameError::Character('é'))]
    #[case("any", NameError::Reserved("any".into()))]
    #[case("coordinator", NameError::Reserved("coordinator".into()))]
    fn hostile_names_are_refused(#[case] text: &str, #[case] why: NameError) {
        assert_eq!(text.parse::<Name>(), Err(why));
    }

    #[test]
    fn a_name_has_at_most_64_characters() {
        assert!("a".repeat(64).parse::<Name>().is_ok());
        assert_eq!("a".repeat(65).parse::<Name>(), Err(NameError::TooLong));
        assert_eq!("a".repeat(10_000).parse::<Name>(), Err(NameError::TooLong));
    }

    proptest! {
        #[test]
        fn a_token_reads_back_as_its_name(text in NAME) {
            let name = Name::written(&text);
            prop_assume!(name.is_ok());
            let name = name.unwrap();
            prop_assert_eq!(Name::from_token(&name.token()).unwrap(), name);
        }

        #[test]
        fn no_two_names_share_a_token(a in NAME, b in NAME) {
            let (Ok(a), Ok(b)) = (Name::written(&a), Name::written(&b)) else { return Ok(()) };
            prop_assert_eq!(a == b, a.token() == b.token());
        }

        #[test]
        fn no_two_close_names_share_a_token(a in "[ab._-]{1,4}", b in "[ab._-]{1,4}") {
            let (Ok(a), Ok(b)) = (Name::written(&a), Name::written(&b)) else { return Ok(()) };
            prop_assert_eq!(a == b, a.token() == b.token());
        }

        #[test]
        fn whatever_passes_is_one_plain_token(text in any::<String>()) {
            if let Ok(name) = text.parse::<Name>() {
                let token = name.token();
                prop_assert!(!token.is_empty());
                prop_assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"=_-".contains(&b)));
            }
        }
    }
}
