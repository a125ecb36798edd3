//! Heartbeats and cards: what an instance says of itself, outside the ledger.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Extra, InstanceId, Name, QueryId};

/// A sign of life. The first six fields are those of the Synadia Agent Protocol for NATS
/// (0.3); the rest is what dispatch needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "heartbeat")]
pub struct Heartbeat {
    /// The agent, or `coordinator`.
    pub agent: Name,
    /// The space.
    pub owner: String,
    /// The instance again, under the name that the shape gives it.
    pub session: String,
    /// The instance.
    pub instance_id: InstanceId,
    /// When it was sent, by the sender's clock.
    pub ts: Timestamp,
    /// Seconds until the next one, at most a day.
    #[schemars(range(min = 0, max = 86_400))]
    pub interval_s: f64,
    /// How many queries the instance works on at once. 0: it takes none, as while it drains.
    #[serde(default)]
    pub capacity: u32,
    /// Whether it fetches its work: its capacity rises when it asks for some, and is no sign of life. Whom a person or
    /// a session serves is there as long as this is said, whatever the capacity. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pulls: bool,
    /// It takes this query and no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<QueryId>,
    /// How many it has in hand.
    #[serde(default)]
    pub load: u32,
    /// The queries that it has in hand. Naming one renews its lease.
    #[serde(default)]
    pub leases: Vec<Lease>,
    /// The version of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest of the agent's card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One query that an instance holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Lease {
    /// The query.
    pub id: QueryId,
    /// Whose it is.
    pub requester: Name,
    /// The attempt, as assigned.
    pub attempt: u32,
}

/// What a coordinator must know of an agent to route to it. An instance shows its card when a
/// coordinator does not know the digest in its heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "card")]
pub struct Card {
    /// The agent.
    pub agent: Name,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The handler that does the work, as in `context`.
    pub handler: String,
    /// The request types that it answers; `*` stands for any run of characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// Other names for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Name>,
    /// Whether it answers only what nobody else does.
    #[serde(default)]
    pub fallback: bool,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An agent as the coordinator sees it: its card, and who of it is live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "presence")]
pub struct Presence {
    /// Its card.
    pub card: Card,
    /// Its live instances.
    pub instances: Vec<Instance>,
    /// How many queries wait for one of them.
    pub waiting: u64,
}

/// A live instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instance {
    /// The instance.
    pub instance: InstanceId,
    /// How many queries it works on at once.
    pub capacity: u32,
    /// Whether it fetches its work. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pulls: bool,
    /// How many it has in hand.
    pub load: u32,
    /// When it was last heard.
    pub heard_at: Timestamp,
    /// What is wrong with it, though its heartbeats come. Others are given work before it, until it
    /// shows that it works again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
}

/// What is wrong with an instance whose heartbeats come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// It did not accept the last assignment that it was given.
    Deaf,
    /// It accepted work, and then showed no progress for longer than it said it would need.
    Stalled,
}
