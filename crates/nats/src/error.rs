//! What can go wrong between us and NATS, in kinds that a caller can act on.

use std::fmt;

use protocol::Problem;

/// An error of the NATS room. Match on [`Error::kind`], never on the text.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    detail: String,
}

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// NATS cannot be reached, or does not answer in time.
    Unavailable,
    /// The server does not let us in: credentials are missing, wrong or out of date.
    Auth,
    /// No secure connection: a certificate is not trusted, or the server takes none of ours.
    Tls,
    /// A file that a secure connection needs cannot be read, or holds something else.
    UnreadableFile,
    /// The server lets us in, and does not permit what we want to do.
    Forbidden,
    /// The message is larger than the server takes.
    PayloadTooLarge,
    /// The store is full.
    StorageFull,
    /// The server is older than 2.12.3, or has no JetStream.
    ServerUnfit,
    /// The ledger does not exist: no coordinator has created it.
    NoLedger,
    /// The ledger exists with settings that break its promises.
    LedgerSettings,
    /// Nobody serves the bus's API: no coordinator is running.
    NoCoordinator,
    /// What came back cannot be read.
    Garbled,
    /// Wrong use: a URL, file or option that does not work.
    Usage,
}

impl Kind {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Auth => "auth",
            Self::Tls => "tls",
            Self::UnreadableFile => "unreadable_file",
            Self::Forbidden => "forbidden",
            Self::PayloadTooLarge => "payload_too_large",
            Self::StorageFull => "storage_full",
            Self::ServerUnfit => "server_unfit",
            Self::NoLedger => "no_ledger",
            Self::LedgerSettings => "ledger_settings",
            Self::NoCoordinator => "no_coordinator",
            Self::Garbled => "garbled",
            Self::Usage => "usage",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Unavailable => "If no bus runs, start one with 'agentbus up'; if one does, see what it says: its disk may be full.",
            Self::Auth => {
                "Name the credentials for this server: --creds FILE; if you did, see that they are of its operator and have not expired."
            }
            Self::Tls => "Check --tls-ca, --tls-cert and --tls-key against what the server is configured with.",
            Self::UnreadableFile => "Name a file that this user may read and that holds what the option says, in PEM.",
            Self::Forbidden => {
                "Speak under the name that the credentials are for (--from), or let the server permit this; see docs/operations.md."
            }
            Self::PayloadTooLarge => "Send less, or raise max_payload on the server.",
            Self::StorageFull => {
                "Free space on the server's disk, or raise the limit of what is full; a new bus can be made smaller with --max-size. Nothing stored is lost."
            }
            Self::ServerUnfit => "Use nats-server 2.12.3 or newer with JetStream on; 'agentbus up' brings one.",
            Self::NoLedger => "Start a coordinator: 'agentbus up', or 'agentbus serve coordinator'.",
            Self::LedgerSettings => "Mend the stream's settings with the nats CLI, or use another --space.",
            Self::NoCoordinator => "Start a coordinator: 'agentbus up', or 'agentbus serve coordinator'.",
            Self::Garbled => "Check that every part of the bus is of the same version.",
            Self::Usage => "See 'agentbus help'.",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: Kind, detail: impl fmt::Display) -> Self {
        Self { kind, detail: detail.to_string() }
    }

    /// What happened, without what kind of error that is.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// A part was stopped before it had started.
    #[must_use]
    pub fn stopped() -> Self {
        Self::new(Kind::Unavailable, "stopped before it had started")
    }

    /// What kind of error it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Unavailable => "NATS does not answer",
            Kind::Auth => "NATS does not let us in",
            Kind::Tls => "there is no secure connection",
            Kind::UnreadableFile => "a file cannot be used",
            Kind::Forbidden => "NATS refuses",
            Kind::PayloadTooLarge => "the message is too large",
            Kind::StorageFull => "storage is full",
            Kind::ServerUnfit => "this NATS server cannot carry a bus",
            Kind::NoLedger => "there is no ledger",
            Kind::LedgerSettings => "the ledger's settings break its promises",
            Kind::NoCoordinator => "no coordinator answers",
            Kind::Garbled => "an answer cannot be read",
            Kind::Usage => "that cannot be used",
        };
        write!(f, "{what}: {}", self.detail)
    }
}

impl std::error::Error for Error {}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::new(error.kind.code(), error.to_string()).hint(error.kind.hint())
    }
}
