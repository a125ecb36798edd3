//! Who there is: the cards of every agent that has ever announced itself, and the router over
//! them. A heartbeat that names an unknown card makes the coordinator ask for it.

use std::collections::{HashMap, HashSet};

use ledger::{Desk, Hands, Queue, Router, Situation};
use nats::{Cards, Connection, Error};
use protocol::{Card, Decision, Heartbeat, InstanceId, Name, Order, Presence, To, message::Query};
use roster::{Asked, Roster, Standing};

/// How many cards of one agent are remembered.
const VERSIONS: usize = 16;

/// The handler of an agent whose queries wait until a person or a session fetches them.
const MAILBOX: &str = "mailbox";

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

/// Who is live and how busy, for one decision.
struct Present<'a> {
    hands: &'a Hands,
    queue: &'a Queue,
    done: &'a dyn Fn(&Name) -> bool,
}

impl Standing for Present<'_> {
    fn is_live(&self, agent: &Name) -> bool {
        self.hands.is_live(agent)
    }

    fn in_hand(&self, agent: &Name) -> usize {
        self.hands.of(agent).map(|(_, hand)| hand.load()).sum::<usize>() + self.queue.len(agent)
    }

    fn is_done(&self, agent: &Name) -> bool {
        (self.done)(agent)
    }
}

impl Agents {
    /// Opens the store of cards and reads it.
    pub(crate) async fn open(connection: &Connection) -> Result<Self, Error> {
        let cards = Cards::open(connection).await?;
        let known = cards.all().await?;
        let digests = known.iter().map(|card| (card.agent.clone(), vec![card.digest()])).collect();
        Ok(Self { roster: Roster::new(known), digests, asked: HashSet::new(), cards })
    }

    /// Whether the card that a heartbeat names need not be shown. An instance that `introduces` itself shows it
    /// unless it is the agent's card already: an agent may go back to what it was. One that leaves does not, since it
    /// is not what the agent will be.
    pub(crate) fn knows(&self, beat: &Heartbeat, introduces: bool) -> bool {
        let Some(shown) = self.digests.get(&beat.agent).filter(|shown| !shown.is_empty()) else { return false };
        let Some(digest) = &beat.digest else { return false };
        if beat.capacity == 0 && !beat.pulls {
            return true;
        }
        if introduces { shown.last() == Some(digest) } else { shown.contains(digest) }
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

    /// Who would answer a query, and why, if it were posted now by way of the path that it names.
    pub(crate) fn decide_for(&self, query: &Query, desk: &Desk) -> Decision {
        let to = query.target.clone().map_or(To::Any, To::One);
        let present = Present { hands: desk.hands(), queue: desk.queue(), done: &|_| false };
        self.decide(&Asked { query, to: &to, path: query.path.as_deref().unwrap_or_default() }, &present)
    }

    fn decide(&self, asked: &Asked<'_>, present: &Present<'_>) -> Decision {
        match &asked.query.gather {
            Some(gather) if gather.to.is_none() => self.roster.choose(asked, gather.top.map(|top| top as usize), present),
            _ => self.roster.route(asked, present),
        }
    }

    /// The agents that are wanted, each with who of it is live.
    pub(crate) fn presence(&self, desk: &Desk, wanted: impl Fn(&Name) -> bool) -> Vec<Presence> {
        let instance = |(id, hand): (&InstanceId, &ledger::Hand)| protocol::Instance {
            instance: id.clone(),
            capacity: u32::try_from(hand.capacity).unwrap_or(u32::MAX),
            pulls: hand.pulls,
            load: u32::try_from(hand.load()).unwrap_or(u32::MAX),
            heard_at: hand.heard,
            trouble: hand.trouble,
        };
        let present = |card: &Card| Presence {
            card: card.clone(),
            instances: desk.hands().of(&card.agent).map(instance).collect(),
            waiting: u64::try_from(desk.waiting(&card.agent)).unwrap_or(u64::MAX),
        };
        self.roster.cards().filter(|card| wanted(&card.agent)).map(present).collect()
    }
}

impl Router for Agents {
    fn awaits(&self, hands: &Hands) -> bool {
        self.roster.cards().any(|card| !hands.is_live(&card.agent))
    }

    fn is_complete(&self) -> bool {
        self.asked.is_empty()
    }

    fn pulls(&self, agent: &Name) -> bool {
        self.roster.resolve(agent).is_some_and(|card| card.handler == MAILBOX)
    }

    fn route(&self, at: &Situation<'_>) -> Decision {
        let (fold, posted) = (at.fold, at.fold.posted());
        if let Some(query) = posted.query() {
            let present = Present { hands: at.hands, queue: at.queue, done: &|agent| fold.is_done_with(agent) };
            return self.decide(&Asked { query, to: &posted.to, path: at.path }, &present);
        }
        // A query that is none is refused before it is routed.
        let reason =
            posted.invalid().map_or_else(|| "the query has ended".to_owned(), |invalid| format!("the query is not valid: {invalid}"));
        Decision::new(None, protocol::Step::None, reason)
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
