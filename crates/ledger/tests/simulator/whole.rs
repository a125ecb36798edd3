//! The rules that hold for a query that several agents are asked at once: who is asked, when it is answered, and that
//! its answer names each part as the ledger has it. Reads the raw messages, and calls nothing of the desk.

use ledger::Key;
use protocol::{
    Message, Name, QueryId, State,
    message::{Answer, Asked, Assign, Gather, Outcome, Part, Query, Until},
};

use crate::{
    rules::{Broken, Checked, hold},
    stream::{Ms, ms},
    world::World,
};

/// A query that several agents are asked at once, as the ledger has it.
pub(crate) struct Whole {
    pub(crate) parts: Vec<Asked>,
    until: Until,
    due: Ms,
}

/// What the ledger says of a query that asks several agents, up to a sequence; None until a coordinator has taken it.
pub(crate) fn whole(world: &World, key: &Key, upto: u64) -> Option<Whole> {
    let gather = gather(world, key)?;
    let truth = world.truths.at(key, upto)?;
    let counts = |seq: u64| seq <= upto && truth.verdicts.contains(&(seq, protocol::Verdict::Counted));
    let mut entries = world.truths.log(key.id).iter().filter_map(|stored| stored.entry.as_ref()).filter(|entry| counts(entry.seq));
    let (begun, parts) = entries.find_map(|entry| match &entry.body {
        Ok(Message::Assign(assign)) if !assign.parts.is_empty() && *entry.subject.from() == key.requester => {
            Some((ms(entry.time), assign.parts.clone()))
        }
        _ => None,
    })?;
    let deadline = ms(world.truths.deadline(key)?);
    let due = gather.timeout_ms.map_or(deadline, |timeout| deadline.min(begun + timeout as Ms));
    Some(Whole { parts, until: gather.until.unwrap_or(Until::All), due })
}

/// What a query says of whom to ask at once.
pub(crate) fn gather<'a>(world: &'a World, key: &Key) -> Option<&'a Gather> {
    world.truths.query(key)?.1?.gather.as_ref()
}

fn part_key(id: QueryId) -> Key {
    Key { id, requester: Name::coordinator() }
}

impl Whole {
    fn state(&self, world: &World, part: &Asked, upto: u64) -> State {
        world.truths.at(&part_key(part.id), upto).map_or(State::Posted, |truth| truth.state)
    }

    /// How many parts completed, and how many are open.
    fn count(&self, world: &World, upto: u64) -> (usize, usize) {
        let completed = |part: &&Asked| self.state(world, part, upto) == State::Completed;
        let open = |part: &&Asked| world.truths.at(&part_key(part.id), upto).is_none_or(|truth| truth.end.is_none());
        (self.parts.iter().filter(completed).count(), self.parts.iter().filter(open).count())
    }

    const fn needed(&self) -> usize {
        match self.until {
            Until::All | Until::First => 1,
            Until::Quorum(parts) => parts as usize,
        }
    }

    /// Whether no further part can change the answer, or need not be waited for.
    fn is_settled(&self, world: &World, upto: u64) -> bool {
        let (completed, open) = self.count(world, upto);
        open == 0 || self.until != Until::All && (completed >= self.needed() || completed + open < self.needed())
    }
}

/// A coordinator chooses whom to ask.
pub(crate) fn begins(world: &World, key: &Key, assign: &Assign) -> Checked {
    let Some(gather) = gather(world, key) else {
        return hold("only several are gathered", assign.parts.is_empty(), || format!("{key:?} has parts: {assign:?}"));
    };
    let agents: Vec<&Name> = assign.parts.iter().map(|part| &part.agent).collect();
    let once = agents.iter().enumerate().all(|(n, agent)| !agents[..n].contains(agent));
    hold("every part is named once", once && !agents.is_empty(), || format!("{agents:?} are asked"))?;
    let right = match (&gather.to, gather.top) {
        (Some(names), _) => agents.iter().all(|agent| names.contains(agent)) && names.iter().all(|name| agents.contains(&name)),
        (None, top) => agents.len() <= top.unwrap_or(u32::MAX) as usize,
    };
    hold("whoever was named is asked", right && assign.agent.is_coordinator(), || format!("{agents:?} are asked for {gather:?}"))
}

/// A query is refused that waits for more answers than it asks agents. How many of those routing finds is its own affair.
pub(crate) fn asks_too_much(world: &World, key: &Key) -> Checked {
    let wanted = gather(world, key).map_or(0, |gather| match gather.until {
        Some(Until::Quorum(parts)) => parts as usize,
        _ => 1,
    });
    let named = gather(world, key)
        .and_then(|gather| gather.to.as_ref())
        .map_or(1, |names| names.iter().enumerate().filter(|(n, name)| !names[..*n].contains(name)).count());
    hold("invalid is rejected", wanted > named, || format!("{key:?} waits for {wanted}"))
}

/// A coordinator that has read so far asks for a part.
pub(crate) fn asks(world: &World, read: u64, key: &Key, query: &Query) -> Checked {
    let mut wholes = world.truths.keys().filter(|whole| Some(whole.id) == query.parent);
    let found = wholes.find_map(|above| Some((above, whole(world, above, read)?)));
    let Some((above, whole)) = found else {
        return Err(Broken::new("only parts are asked", format!("{key:?} is no part: {query:?}")));
    };
    let is_part = whole.parts.iter().any(|part| part.id == key.id && Some(&part.agent) == query.target.as_ref());
    hold("only parts are asked", is_part && key.requester.is_coordinator(), || format!("{key:?} is none of {:?}", whole.parts))?;
    hold("each part is asked once", world.truths.at(key, read).is_none(), || format!("{key:?} is asked again"))?;
    let is_open = world.truths.at(above, read).is_some_and(|truth| truth.end.is_none());
    hold("only parts are asked", is_open, || format!("{above:?} is over"))?;
    let asked = world.truths.query(above).and_then(|(_, query)| query).map(|query| &query.payload);
    let same = asked == Some(&query.payload) && query.deadline.map(ms) == Some(whole.due) && query.gather.is_none();
    hold("a part asks what the whole asks", same, || format!("{query:?}"))
}

/// A coordinator answers a query that gathers.
pub(crate) fn answers(world: &World, index: usize, key: &Key, answer: &Answer) -> Checked {
    let coordinator = &world.coordinators[index];
    let read = coordinator.read as u64;
    let Some(whole) = whole(world, key, read) else {
        return Err(Broken::new("only several are gathered", format!("c{index} answers {key:?}: {answer:?}")));
    };
    let named = answer.parts.iter().map(|part| (part.id, &part.agent)).eq(whole.parts.iter().map(|part| (part.id, &part.agent)));
    hold("every part is named once", named, || format!("{:?} instead of {:?}", answer.parts, whole.parts))?;
    answer.parts.iter().try_for_each(|part| stands(world, read, part))?;
    let (completed, _) = whole.count(world, read);
    let outcome = if completed >= whole.needed() { Outcome::Completed } else { Outcome::Failed };
    hold("the outcome follows from the parts", answer.outcome == outcome, || format!("{:?} with {completed}", answer.outcome))?;
    // A clock that is ahead cannot know.
    let time = coordinator.skew > 0 || world.now >= whole.due;
    hold("no answer before its time", time || whole.is_settled(world, read), || format!("due at {}: {answer:?}", whole.due))
}

/// A part is as the ledger had it, when the coordinator had read so far.
fn stands(world: &World, read: u64, part: &Part) -> Checked {
    let key = part_key(part.id);
    let truth = world.truths.at(&key, read);
    let state = truth.as_ref().map_or(State::Posted, |truth| truth.state);
    let unasked = truth.is_none().then(|| "not_asked".to_owned());
    let end = truth.and_then(|truth| truth.end);
    let ending = world.truths.log(key.id).iter().find(|stored| Some(stored.seq) == end);
    let told = match ending.and_then(|stored| stored.entry.as_ref()?.body.as_ref().ok()) {
        Some(Message::Answer(answer)) => (Some(answer.outcome), Some(&answer.delivery), answer.failure.as_ref().map(|f| &f.code)),
        Some(Message::Close(close)) => (None, Some(&close.message), Some(&close.code)),
        _ => (None, None, unasked.as_ref()),
    };
    let shown = (part.outcome, part.delivery.as_ref(), part.failure.as_ref().map(|failure| &failure.code));
    hold("each part as the ledger has it", (part.state, shown) == (state, told), || format!("{part:?} instead of {state} {told:?}"))
}

/// How soon a coordinator looks again whether a part was stored.
const LOOKS: Ms = 1500;

/// How long a coordinator that begins to hear reads on before it calls a part late, and how soon it looks again.
const READS_ON: Ms = 1000 + 250;

/// How long past the time it holds its answer back at most.
const OVERTIME: Ms = 20_000 + 250;

/// A coordinator alone has looked at the time: it has asked every part, and answered what it can answer.
pub(crate) fn none_is_forgotten(world: &World, index: usize) -> Checked {
    let coordinator = &world.coordinators[index];
    if world.coordinators.len() > 1 || coordinator.skew != 0 || !coordinator.live || coordinator.desk.is_none() {
        return Ok(());
    }
    let read = coordinator.read as u64;
    let is_open = |key: &&Key| world.truths.at(key, read).is_some_and(|truth| truth.end.is_none());
    for key in world.truths.keys().filter(is_open) {
        let Some(whole) = whole(world, key, read) else { continue };
        let waits = |key: &Key, patience: Ms| {
            let failed_now = coordinator.busy.get(key).is_some_and(|until| until.saturating_add(patience) >= world.now);
            !coordinator.underway.contains(key) && !failed_now
        };
        // One that may have missed something, or has not read on since, holds its answer back for a while.
        let hears = coordinator.listening.is_some_and(|since| world.now > since + READS_ON);
        let is_late = world.now > whole.due && hears || world.now > whole.due + OVERTIME;
        let is_time = is_late || whole.is_settled(world, read);
        hold("gathered in time", !(is_time && waits(key, 0)), || format!("c{index} lets {key:?} wait"))?;
        let keys = whole.parts.iter().map(|part| part_key(part.id));
        let unasked = keys
            .filter(|part| !is_time && world.now <= whole.due && waits(key, 0) && world.truths.at(part, read).is_none())
            .find(|part| waits(part, LOOKS));
        hold("every part is asked", unasked.is_none(), || format!("c{index} has not asked {unasked:?}"))?;
    }
    Ok(())
}

/// Whether nobody could be asked, as this coordinator sees it.
pub(crate) fn has_nobody(world: &World, index: usize, key: &Key) -> bool {
    let (path, all) = (world.truths.path(key), gather(world, key).is_some_and(|gather| gather.all));
    let is_live = |agent: &Name| world.coordinators[index].desk.as_ref().is_some_and(|desk| desk.hands().is_live(agent));
    let named = gather(world, key).is_some_and(|gather| gather.to.is_some());
    !named && world.routes.agents.iter().all(|agent| path.contains(agent) || all && !is_live(agent))
}
