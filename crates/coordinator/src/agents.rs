//! Who there is: the cards of every agent that has ever announced itself, and the router over
//! them. A heartbeat that names an unknown card makes the coordinator ask for it.

use std::collections::{HashMap, HashSet};

use ledger::{Desk, Fold, Hands, Router};
use nats::{Cards, Connection, Error};
use protocol::{Card, Decision, Heartbeat, InstanceId, Name, Order, Presence, To, message::Query};
use roster::Roster;

/// How many cards of one agent are remembered.
const VERSIONS: usize = 16;

/// The agents that this coordinator knows.
#[derive(Debug)]
pub(crate) struct Agents {
    roster: Roster,
    /// The digests of the cards that an agent's instances have shown, the last one last. The
    /// last one shown is the agent's card; an older version's heartbeats do not bring it back.
    digests: HashMap<Name, Vec<String>>,
    asked: HashSet<InstanceId>,
    cards: Cards,
}

/// A card that an instance has shown, or that it did not.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) instance: InstanceId,
    /// The digest by which the instance names its card.
    digest: Option<String>,
    pub(crate) card: Option<Card>,
    /// Where the instance wants to be told that it is known.
    pub(crate) reply: Option<String>,
}

impl Agents {
    /// Opens the store of cards and reads it.
    pub(crate) async fn open(connection: &Connection) -> Result<Self, Error> {
        let cards = Cards::open(connection).await?;
        let known = cards.all().await?;
        let digests = known.iter().map(|card| (card.agent.clone(), vec![card.digest()])).collect();
        Ok(Self { roster: Roster::new(known), digests, asked: HashSet::new(), cards })
    }

    /// Whether the card that a heartbeat names has been shown.
    pub(crate) fn knows(&self, beat: &Heartbeat) -> bool {
        let shown = self.digests.get(&beat.agent);
        shown.zip(beat.digest.as_ref()).is_some_and(|(shown, digest)| shown.contains(digest))
    }

    /// Whether an instance should be asked for its card now: once at a time.
    pub(crate) fn ask(&mut self, instance: &InstanceId) -> bool {
        self.asked.insert(instance.clone())
    }

    /// An instance was asked. Returns whether the roster has changed.
    pub(crate) fn shown(&mut self, shown: &Shown) -> bool {
        self.asked.remove(&shown.instance);
        let Some(card) = &shown.card else { return false };
        // What it calls its card is its own affair: it need not write JSON as we do.
        let digest = shown.digest.clone().unwrap_or_else(|| card.digest());
        let shown = self.digests.entry(card.agent.clone()).or_default();
        if shown.len() == VERSIONS {
            shown.remove(0);
        }
        shown.push(digest);
        self.roster.insert(card.clone());
        true
    }

    /// The store of cards, to keep one.
    pub(crate) fn cards(&self) -> Cards {
        self.cards.clone()
    }

    /// Who would answer a query, and why, but for those who are done with it.
    pub(crate) fn decide(&self, query: &Query, to: &To, hands: &Hands, done: impl Fn(&Name) -> bool) -> Decision {
        self.roster.route(query, to, |name| hands.is_live(name), done)
    }

    /// Every agent, with who of it is live.
    pub(crate) fn presence(&self, desk: &Desk) -> Vec<Presence> {
        let instance = |(id, hand): (&InstanceId, &ledger::Hand)| protocol::Instance {
            instance: id.clone(),
            capacity: u32::try_from(hand.capacity).unwrap_or(u32::MAX),
            load: u32::try_from(hand.load()).unwrap_or(u32::MAX),
            heard_at: hand.heard,
            trouble: hand.trouble,
        };
        let present = |card: &Card| Presence {
            card: card.clone(),
            instances: desk.hands().of(&card.agent).map(instance).collect(),
            waiting: u64::try_from(desk.waiting(&card.agent)).unwrap_or(u64::MAX),
        };
        self.roster.cards().map(present).collect()
    }
}

impl Router for Agents {
    fn is_complete(&self) -> bool {
        self.asked.is_empty()
    }

    fn route(&self, fold: &Fold, hands: &Hands) -> Decision {
        let posted = fold.posted();
        if let Some(query) = posted.query() {
            return self.decide(query, &posted.to, hands, |agent| fold.is_done_with(agent));
        }
        // A query that is none is refused before it is routed.
        Decision {
            agent: None,
            step: protocol::Step::None,
            reason: posted
                .invalid()
                .map_or_else(|| "the query has ended".to_owned(), |invalid| format!("the query is not valid: {invalid}")),
            steps: Vec::new(),
            candidates: Vec::new(),
            hint: None,
            extra: protocol::Extra::new(),
        }
    }
}

/// Asks an instance for its card, and keeps it if it is its agent's.
pub(crate) async fn describe(connection: Connection, cards: Cards, beat: Heartbeat, reply: Option<String>) -> Shown {
    let card = match card(&connection, &beat).await {
        Ok(card) => Some(card),
        Err(error) => {
            tracing::warn!(agent = %beat.agent, %error, "an instance does not show its card");
            None
        }
    };
    if let Some(card) = &card
        && let Err(error) = cards.put(card).await
    {
        tracing::warn!(agent = %card.agent, %error, "a card was not kept");
    }
    Shown { instance: beat.instance_id, digest: beat.digest, card, reply }
}

async fn card(connection: &Connection, beat: &Heartbeat) -> Result<Card, String> {
    let order = serde_json::to_vec(&Order::Describe).map_err(|error| error.to_string())?;
    let subject = connection.space().hand(&beat.agent, &beat.instance_id);
    let answer = connection.request(subject, order).await.map_err(|error| error.to_string())?;
    let card: Card = protocol::schema::read("card", &answer.payload).map_err(|invalid| invalid.to_string())?;
    if card.agent != beat.agent {
        return Err(format!("it shows the card of {}", card.agent));
    }
    Ok(card)
}
