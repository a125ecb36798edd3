//! A space: one bus. Everything that has a name on the server takes it from here, so that two
//! buses on one server do not meet.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{Checksum, IdError, InstanceId, Kind, Name, QueryId};

/// The name of a bus: 1 to 32 letters, digits, `_` and `-`. The default is `bus`.
///
/// ```
/// use protocol::Space;
/// assert_eq!(Space::default().api("ask", "*"), "agentbus.ask.*");
/// assert_eq!("lab".parse::<Space>()?.api("ask", "*"), "agentbus-lab.ask.*");
/// # Ok::<(), protocol::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Space(Arc<str>);

const DEFAULT: &str = "bus";

impl Default for Space {
    fn default() -> Self {
        Self(DEFAULT.into())
    }
}

impl FromStr for Space {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() > 32 || text.parse::<InstanceId>().is_err() {
            return Err(IdError::NotSpace);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Space {
    /// The space as a subject token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The stream that is the ledger.
    #[must_use]
    pub fn ledger(&self) -> String {
        format!("{self}-ledger")
    }

    /// What the ledger captures: one subject filter for each message kind.
    #[must_use]
    pub fn captured(&self) -> Vec<String> {
        Kind::ALL.iter().map(|kind| self.kind(*kind)).collect()
    }

    /// All messages of one kind.
    #[must_use]
    pub fn kind(&self, kind: Kind) -> String {
        format!("{self}.{kind}.*.*.*")
    }

    /// All that one writer sent of one kind.
    #[must_use]
    pub fn kind_from(&self, kind: Kind, from: &Name) -> String {
        format!("{self}.{kind}.*.{}.*", from.token())
    }

    /// The record of one id: every message that carries it.
    #[must_use]
    pub fn record(&self, id: QueryId) -> String {
        format!("{self}.*.{id}.>")
    }

    /// What a query, its assignments and its ending exclude each other by: everything that is
    /// written in the requester's name under this id.
    #[must_use]
    pub fn guard(&self, id: QueryId, requester: &Name) -> String {
        format!("{self}.*.{id}.{}.*", requester.token())
    }

    /// What two queries with one id exclude each other by.
    #[must_use]
    pub fn queries(&self, id: QueryId) -> String {
        format!("{self}.{}.{id}.*.*", Kind::Query)
    }

    /// Everything that is sent to `me`.
    #[must_use]
    pub fn inbox(&self, me: &Name) -> String {
        format!("{self}.*.*.*.{}", me.token())
    }

    /// Where an instance is handed its work: a core subject, outside the ledger.
    #[must_use]
    pub fn hand(&self, agent: &Name, instance: &InstanceId) -> String {
        format!("{self}.hand.{}.{instance}", agent.token())
    }

    /// Where a requester is told that its query has ended: a core subject, outside the ledger.
    #[must_use]
    pub fn end(&self, requester: &Name, id: QueryId) -> String {
        format!("{self}.end.{}.{id}", requester.token())
    }

    /// All end signals for one requester.
    #[must_use]
    pub fn ends(&self, requester: &Name) -> String {
        format!("{self}.end.{}.*", requester.token())
    }

    /// An endpoint of the coordinator's API as `caller` (a name's token, or `*`) calls it.
    #[must_use]
    pub fn api(&self, endpoint: &str, caller: &str) -> String {
        format!("{}.{endpoint}.{caller}", self.service())
    }

    /// The name of the coordinator's micro service.
    #[must_use]
    pub fn service(&self) -> String {
        if &*self.0 == DEFAULT { "agentbus".to_owned() } else { format!("agentbus-{self}") }
    }

    /// Where an instance's heartbeats go: `agents.hb.{agent}.{owner}.{name}`, the shape of the
    /// Synadia Agent Protocol for NATS (0.3), with the space as owner and the instance as name.
    #[must_use]
    pub fn heartbeat(&self, agent: &Name, instance: &InstanceId) -> String {
        format!("agents.hb.{}.{self}.{instance}", agent.token())
    }

    /// All heartbeats of this bus.
    #[must_use]
    pub fn heartbeats(&self) -> String {
        format!("agents.hb.*.{self}.*")
    }

    /// The key-value bucket that holds facts.
    #[must_use]
    pub fn facts(&self) -> String {
        format!("{self}-facts")
    }

    /// The stream that is the archive.
    #[must_use]
    pub fn archive(&self) -> String {
        format!("{self}-archive")
    }

    /// Where the archive keeps what it holds of one id. The ledger does not capture it: it has fewer tokens.
    #[must_use]
    pub fn archived(&self, id: QueryId) -> String {
        format!("{self}.archive.{id}")
    }

    /// All that the archive captures.
    #[must_use]
    pub fn all_archived(&self) -> String {
        format!("{self}.archive.*")
    }

    /// The stream that holds the pieces of attachments.
    #[must_use]
    pub fn blobs(&self) -> String {
        format!("{self}-blobs")
    }

    /// Where a piece stands that belongs to the record of this id. The ledger does not capture it: it has fewer tokens.
    #[must_use]
    pub fn blob(&self, id: QueryId, checksum: &Checksum) -> String {
        format!("{self}.blob.{id}.{}", checksum.token())
    }

    /// All pieces of one record.
    #[must_use]
    pub fn blobs_of(&self, id: QueryId) -> String {
        format!("{self}.blob.{id}.*")
    }

    /// All that the stream of pieces captures.
    #[must_use]
    pub fn all_blobs(&self) -> String {
        format!("{self}.blob.*.*")
    }

    /// Whose piece stands under a subject, and which.
    #[must_use]
    pub fn parse_blob(&self, subject: &str) -> Option<(QueryId, Checksum)> {
        let (id, token) = subject.strip_prefix(&format!("{self}.blob."))?.split_once('.')?;
        Some((id.parse().ok()?, Checksum::from_token(token).ok()?))
    }

    /// The key-value bucket that holds how far each named watcher has come.
    #[must_use]
    pub fn watchers(&self) -> String {
        format!("{self}-watchers")
    }

    /// The key-value bucket that holds the cards of agents that have announced themselves.
    #[must_use]
    pub fn agents(&self) -> String {
        format!("{self}-agents")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn two_spaces_share_nothing() {
        let (a, b) = (Space::default(), "lab".parse::<Space>().unwrap());
        let me: Name = "me".parse().unwrap();
        let (id, instance) = (QueryId::mint(), InstanceId::mint());
        let all = |s: &Space| {
            [
                s.ledger(),
                s.kind(Kind::Query),
                s.record(id),
                s.guard(id, &me),
                s.queries(id),
                s.inbox(&me),
                s.hand(&me, &instance),
                s.end(&me, id),
                s.api("ask", "me"),
                s.heartbeat(&me, &instance),
                s.facts(),
                s.agents(),
                s.watchers(),
                s.archive(),
                s.archived(id),
                s.blobs(),
                s.blob(id, &Checksum::of(b"")),
            ]
        };
        assert!(all(&a).iter().zip(all(&b)).all(|(a, b)| *a != b));
    }

    #[test]
    fn a_piece_stands_under_one_subject() {
        let (space, id, sum) = (Space::default(), QueryId::mint(), Checksum::of(b"piece"));
        assert_eq!(space.parse_blob(&space.blob(id, &sum)), Some((id, sum)));
        assert_eq!(space.parse_blob(&"lab".parse::<Space>().unwrap().blob(id, &sum)), None);
        assert_eq!(space.parse_blob(&format!("bus.blob.{id}.x")), None);
    }

    #[rstest::rstest]
    #[case("")]
    #[case("a.b")]
    #[case("*")]
    #[case("a b")]
    #[case("123456789012345678901234567890123")]
    fn hostile_spaces_are_refused(#[case] text: &str) {
        assert!(text.parse::<Space>().is_err());
    }
}
