//! The subject of a ledger message: `{space}.{kind}.{id}.{from}.{to}`.
//!
//! The id stands before the names because compare-and-set and the reading of one record select
//! by id. Who may stand in `to` depends on the kind; a subject that breaks that is no subject.

use std::fmt;

use crate::{IdError, Kind, Name, NameError, QueryId, Space};

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum To {
    /// One agent, requester, or the coordinator.
    One(Name),
    /// Whoever is best placed to answer (queries).
    Any,
    /// Everybody who listens (progress and notices).
    All,
}

impl To {
    /// The `to` token.
    #[must_use]
    pub fn token(&self) -> String {
        match self {
            Self::One(name) => name.token(),
            Self::Any => "any".to_owned(),
            Self::All => "all".to_owned(),
        }
    }

    /// The one it goes to, if it goes to one.
    #[must_use]
    pub const fn name(&self) -> Option<&Name> {
        match self {
            Self::One(name) => Some(name),
            Self::Any | Self::All => None,
        }
    }

    fn from_token(token: &str) -> Result<Self, NameError> {
        match token {
            "any" => Ok(Self::Any),
            "all" => Ok(Self::All),
            _ => Name::from_token(token).map(Self::One),
        }
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(name) => name.fmt(f),
            Self::Any => f.pad("any"),
            Self::All => f.pad("all"),
        }
    }
}

/// A subject that the ledger captures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    kind: Kind,
    id: QueryId,
    from: Name,
    to: To,
}

/// Why a text is not a ledger subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Not five tokens, or of another space.
    #[error("not a subject of this bus: expected {{space}}.{{kind}}.{{id}}.{{from}}.{{to}}")]
    Shape,
    /// No such message kind.
    #[error("no message kind is called {0:?}")]
    Kind(String),
    /// The id is not a lower-case UUID.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A name token is not one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The kind is never sent there.
    #[error("a message of kind {kind} is not sent from {from} to {to}")]
    Route {
        /// The message kind.
        kind: Kind,
        /// Who would have written it.
        from: Name,
        /// Where it would have gone.
        to: To,
    },
}

impl SubjectError {
    /// The stable code of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "bad_subject"
    }
}

impl Subject {
    /// The one constructor.
    ///
    /// # Errors
    /// When a message of this kind never goes from `from` to `to`.
    pub fn new(kind: Kind, id: QueryId, from: Name, to: To) -> Result<Self, SubjectError> {
        let fits = match (&kind, &to) {
            (Kind::Query, To::Any) | (Kind::Progress | Kind::Notice, To::All) => true,
            (Kind::Query, To::One(to)) => !to.is_coordinator(),
            (Kind::Close, To::One(to)) => *to == from,
            (Kind::Cancel, To::One(to)) => to.is_coordinator(),
            (Kind::Notice, To::One(_)) | (_, To::Any | To::All) => false,
            (_, To::One(_)) => true,
        };
        if fits { Ok(Self { kind, id, from, to }) } else { Err(SubjectError::Route { kind, from, to }) }
    }

    /// Reads a subject of `space`.
    ///
    /// # Errors
    /// When it is not a subject that [`Subject::in_space`] makes for this space.
    pub fn parse(space: &Space, text: &str) -> Result<Self, SubjectError> {
        let mut tokens = text.split('.');
        let mut next = || tokens.next().ok_or(SubjectError::Shape);
        let (first, kind, id, from, to) = (next()?, next()?, next()?, next()?, next()?);
        if first != space.as_str() || tokens.next().is_some() {
            return Err(SubjectError::Shape);
        }
        let kind = Kind::from_token(kind).ok_or_else(|| SubjectError::Kind(kind.to_owned()))?;
        Self::new(kind, id.parse()?, Name::from_token(from)?, To::from_token(to)?)
    }

    /// The subject as it is published in `space`.
    #[must_use]
    pub fn in_space(&self, space: &Space) -> String {
        format!("{space}.{}.{}.{}.{}", self.kind, self.id, self.from.token(), self.to.token())
    }

    /// The message kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The query's id, or the message's own where it stands outside a query.
    #[must_use]
    pub const fn id(&self) -> QueryId {
        self.id
    }

    /// Who wrote it.
    #[must_use]
    pub const fn from(&self) -> &Name {
        &self.from
    }

    /// Where it goes.
    #[must_use]
    pub const fn to(&self) -> &To {
        &self.to
    }

    /// Whose query the message belongs to; `None` for a message outside a query.
    #[must_use]
    pub const fn requester(&self) -> Option<&Name> {
        match self.kind {
            Kind::Query | Kind::Assign | Kind::Reply | Kind::Cancel | Kind::Close => Some(&self.from),
            Kind::Accept | Kind::Progress | Kind::Question | Kind::Answer => self.to.name(),
            Kind::Notice => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Name> {
        "[A-Za-z0-9][A-Za-z0-9._-]{0,20}".prop_filter_map("reserved", |text| text.parse().ok())
    }

    fn to() -> impl Strategy<Value = To> {
        prop_oneof![name().prop_map(To::One), Just(To::Any), Just(To::All), Just(To::One(Name::coordinator()))]
    }

    fn id() -> impl Strategy<Value = QueryId> {
        any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).into())
    }

    proptest! {
        #[test]
        fn a_subject_reads_back(kind in prop::sample::select(&Kind::ALL[..]), id in id(), from in name(), to in to()) {
            let space = Space::default();
            if let Ok(subject) = Subject::new(kind, id, from, to) {
                let text = subject.in_space(&space);
                prop_assert_eq!(text.split('.').count(), 5);
                prop_assert_eq!(Subject::parse(&space, &text).unwrap(), subject);
            }
        }

        #[test]
        fn whatever_parses_is_spelled_the_same(text in "bus\\.(query|close|cancel|progress)\\.[0-9a-f-]{30,40}\\.[a-c=.*>$ ]{0,4}\\.[a-c=.*>any]{0,4}") {
            let space = Space::default();
            if let Ok(subject) = Subject::parse(&space, &text) {
                prop_assert_eq!(subject.in_space(&space), text);
            }
        }
    }

    #[rstest::rstest]
    #[case("bus.query.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me.all")]
    #[case("bus.query.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me.coordinator")]
    #[case("bus.close.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me.you")]
    #[case("bus.cancel.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me.you")]
    #[case("bus.notice.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me.you")]
    #[case("bus.answer.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me.any")]
    #[case("bus.query.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.any.me")]
    #[case("bus.query.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me")]
    #[case("bus.query.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me.you.x")]
    #[case("other.query.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me.any")]
    #[case("bus.gossip.0192f0c1-2d3e-7a4b-8c5d-6e7f8091a2b3.me.any")]
    fn a_route_that_no_kind_takes_is_refused(#[case] text: &str) {
        assert!(Subject::parse(&Space::default(), text).is_err());
    }
}
