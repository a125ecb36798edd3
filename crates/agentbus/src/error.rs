//! What can go wrong in the SDK.

use crate::AttachmentError;
use protocol::{IdError, Invalid, NameError, Problem, QueryId, SubjectError};

/// An error of the SDK. Match on [`Error::code`], never on the text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// NATS, the ledger or the coordinator does not do its part.
    #[error(transparent)]
    Nats(#[from] nats::Error),
    /// The request was refused, and why.
    #[error("{0}")]
    Refused(Problem),
    /// The query was sent, and nobody knows whether the ledger has it.
    #[error("nobody knows whether the ledger has the query {id}: {source}")]
    Undecided {
        /// Its id. Posting the same content under it again is safe.
        id: QueryId,
        /// Why it is not known.
        source: nats::Error,
    },
    /// An attachment cannot be sent or had.
    #[error(transparent)]
    Attachment(#[from] AttachmentError),
    /// A name, id or subject is not one.
    #[error("{0}")]
    Name(#[from] NameError),
    /// An id is not one.
    #[error("{0}")]
    Id(#[from] IdError),
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Nats(error) | Self::Undecided { source: error, .. } => error.kind().code(),
            Self::Refused(problem) => &problem.code,
            Self::Attachment(error) => error.code(),
            Self::Name(error) => error.code(),
            Self::Id(error) => error.code(),
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Nats(error) => Some(error.kind().hint()),
            Self::Undecided { .. } => Some("Post the same content again under the same id: it is one query, however often it is posted."),
            Self::Refused(problem) => problem.hint.as_deref(),
            Self::Attachment(error) => Some(error.hint()),
            Self::Name(_) | Self::Id(_) => None,
        }
    }

    /// Whether the bus could not be reached or did not answer, so that nothing is known.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        use nats::Kind;
        matches!(self, Self::Nats(error) | Self::Undecided { source: error, .. } if matches!(error.kind(), Kind::Unavailable | Kind::NoCoordinator | Kind::NoLedger | Kind::ServerUnfit))
    }

    /// The same as data.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let mut problem = Problem::new(self.code(), self.to_string());
        problem.hint = self.hint().map(str::to_owned);
        if let Self::Refused(refused) = self {
            problem.pointer.clone_from(&refused.pointer);
        }
        problem
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::Refused(Problem::new("not_found", format!("{what} is not in the ledger")))
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(invalid.into())
    }
}

impl From<SubjectError> for Error {
    fn from(error: SubjectError) -> Self {
        Self::Refused(Problem::new(error.code(), error.to_string()))
    }
}
