//! The messages of the ledger, one file a kind, and the one place where bytes become a message.

mod accept;
mod answer;
mod assign;
mod attachment;
mod budget;
mod cancel;
mod close;
mod gather;
mod notice;
mod progress;
mod query;
mod question;
mod reply;

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use accept::Accept;
pub use answer::{Answer, Failure, Outcome, Usage};
pub use assign::Assign;
pub use attachment::{Attachment, MAX_INLINE, MAX_PIECE};
pub use budget::{Budget, DEFAULT_DEPTH, DEFAULT_QUERIES};
pub use cancel::Cancel;
pub use close::{Close, Reason};
pub use gather::{Asked, Gather, Part, Until};
pub use notice::Notice;
pub use progress::Progress;
pub use query::{Payload, Priority, Query};
pub use question::Question;
pub use reply::Reply;

use crate::{Name, schema};

/// What kind of message it is: the second token of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A context query.
    Query,
    /// A query given to one agent.
    Assign,
    /// An instance has taken it.
    Accept,
    /// A progress report.
    Progress,
    /// The agent needs input.
    Question,
    /// The input.
    Reply,
    /// The end of an attempt.
    Answer,
    /// The end of a query that no answer ends.
    Close,
    /// The requester wants it stopped.
    Cancel,
    /// A delivery notification outside a query.
    Notice,
}

impl Kind {
    /// Every kind, in the order in which a query meets them.
    pub const ALL: [Self; 10] = [
        Self::Query,
        Self::Assign,
        Self::Accept,
        Self::Progress,
        Self::Question,
        Self::Reply,
        Self::Answer,
        Self::Close,
        Self::Cancel,
        Self::Notice,
    ];

    /// The subject token, which is also the schema's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Assign => "assign",
            Self::Accept => "accept",
            Self::Progress => "progress",
            Self::Question => "question",
            Self::Reply => "reply",
            Self::Answer => "answer",
            Self::Close => "close",
            Self::Cancel => "cancel",
            Self::Notice => "notice",
        }
    }

    /// Reads a subject token.
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == token)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A message that the ledger can hold. It is serialised as its body: the kind stands in the subject.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Message {
    /// See [`Query`].
    Query(Query),
    /// See [`Assign`].
    Assign(Assign),
    /// See [`Accept`].
    Accept(Accept),
    /// See [`Progress`].
    Progress(Progress),
    /// See [`Question`].
    Question(Question),
    /// See [`Reply`].
    Reply(Reply),
    /// See [`Answer`].
    Answer(Box<Answer>),
    /// See [`Close`].
    Close(Close),
    /// See [`Cancel`].
    Cancel(Cancel),
    /// See [`Notice`].
    Notice(Notice),
}

/// Why a body was refused: where in it, which rule, and what the rule says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {reason}", pointer = if self.pointer.is_empty() { "/" } else { &self.pointer })]
pub struct Invalid {
    /// JSON pointer (RFC 6901) to the place; empty for the whole body.
    pub pointer: String,
    /// The schema keyword that failed, `json` where the bytes are no JSON, or `writer` where
    /// the body names another writer than its subject.
    pub keyword: String,
    /// What is wrong, in words.
    pub reason: String,
}

impl Message {
    /// Parses a body that came under a subject of this kind, written by `from`.
    ///
    /// # Errors
    /// When it is no JSON, fails its schema, or names another writer.
    pub fn parse(kind: Kind, from: &Name, bytes: &[u8]) -> Result<Self, Invalid> {
        let message = match kind {
            Kind::Query => Self::Query(body(kind, bytes)?),
            Kind::Assign => Self::Assign(body(kind, bytes)?),
            Kind::Accept => Self::Accept(body(kind, bytes)?),
            Kind::Progress => Self::Progress(body(kind, bytes)?),
            Kind::Question => Self::Question(body(kind, bytes)?),
            Kind::Reply => Self::Reply(body(kind, bytes)?),
            Kind::Answer => Self::Answer(body(kind, bytes)?),
            Kind::Close => Self::Close(body(kind, bytes)?),
            Kind::Cancel => Self::Cancel(body(kind, bytes)?),
            Kind::Notice => Self::Notice(body(kind, bytes)?),
        };
        message.signed_by(from)?;
        Ok(message)
    }

    /// The kind of the message.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Query(_) => Kind::Query,
            Self::Assign(_) => Kind::Assign,
            Self::Accept(_) => Kind::Accept,
            Self::Progress(_) => Kind::Progress,
            Self::Question(_) => Kind::Question,
            Self::Reply(_) => Kind::Reply,
            Self::Answer(_) => Kind::Answer,
            Self::Close(_) => Kind::Close,
            Self::Cancel(_) => Kind::Cancel,
            Self::Notice(_) => Kind::Notice,
        }
    }

    /// The body as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // These types hold nothing that JSON cannot: string keys only, and numbers that came from JSON.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// The body as it is published.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // As above.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A message whose payload names another writer than its subject is refused.
    fn signed_by(&self, from: &Name) -> Result<(), Invalid> {
        let (field, writer) = match self {
            Self::Query(query) => ("requesting_agent", &query.requesting_agent),
            Self::Reply(reply) => ("requesting_agent", &reply.requesting_agent),
            Self::Cancel(cancel) => ("requesting_agent", &cancel.requesting_agent),
            Self::Accept(accept) => ("agent", &accept.agent),
            Self::Progress(progress) => ("agent", &progress.agent),
            Self::Question(question) => ("agent", &question.agent),
            Self::Answer(answer) => ("agent", &answer.agent),
            Self::Notice(notice) => ("agent", &notice.agent),
            Self::Assign(_) | Self::Close(_) => return Ok(()),
        };
        if writer == from {
            return Ok(());
        }
        Err(Invalid {
            pointer: format!("/{field}"),
            keyword: "writer".to_owned(),
            reason: format!("names {writer}, but the subject says that {from} wrote it"),
        })
    }
}

fn body<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, Invalid> {
    schema::typed(kind.as_str(), schema::body(bytes)?)
}
