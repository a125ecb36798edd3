//! The rules that every step is held to, besides that each fold agrees with the model.
//!
//! What a coordinator does is judged by what it had read; what is stored, by the whole ledger.

use ledger::{Key, MOST_CRASHES};
use protocol::{
    End, InstanceId, Message, Name, Order, QueryId, State, Stop, Verdict, Work,
    message::{Assign, Close, Gather, Query, Reason},
};

use crate::{
    coordinator::Coordinator,
    event::Life,
    lineage,
    model::Truth,
    record,
    stream::{Ms, Stored, ms},
    tally::Happening,
    whole,
    world::World,
};

/// A rule that was broken.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) rule: &'static str,
    pub(crate) how: String,
}

impl Broken {
    pub(crate) const fn new(rule: &'static str, how: String) -> Self {
        Self { rule, how }
    }
}

pub(crate) type Checked = Result<(), Broken>;

pub(crate) fn hold(rule: &'static str, holds: bool, how: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Broken::new(rule, how())) }
}

/// The query as it was first stored, with its sequence; None in its place for one that is no query.
pub(crate) fn query<'a>(world: &'a World, key: &Key) -> Option<(&'a Stored, Option<&'a Query>)> {
    world.truths.query(key)
}

/// How many attempts may be spent on a query.
pub(crate) fn allowed(world: &World, key: &Key) -> usize {
    query(world, key).and_then(|(_, query)| query).map_or(1, |query| query.attempts.unwrap_or(3) as usize)
}

/// Whether it is a query that can be answered, whoever is there to do it.
pub(crate) fn is_valid(world: &World, key: &Key) -> bool {
    let Some((stored, Some(query))) = query(world, key) else { return false };
    let to = stored.entry.as_ref().and_then(|entry| entry.subject.to().name());
    let whom = |gather: &Gather| usize::from(gather.to.is_some()) + usize::from(gather.top.is_some()) + usize::from(gather.all);
    query.gather.as_ref().is_none_or(|gather| whom(gather) == 1 && query.target.is_none() && to.is_none())
        && query.id.is_none_or(|id| id == key.id)
        && (query.target.is_none() || to.is_none() || query.target.as_ref() == to)
}

pub(crate) fn happening(state: State) -> Happening {
    match state {
        State::Completed => Happening::Completed,
        State::Failed => Happening::Failed,
        State::Rejected => Happening::Rejected,
        State::Unroutable => Happening::Unroutable,
        State::Expired => Happening::Expired,
        State::Cancelled => Happening::Cancelled,
        _ => Happening::Dead,
    }
}

/// How long a coordinator must hear nothing of the current attempt before it may call it lost.
fn patience(world: &World, truth: &Truth) -> Ms {
    let lease = truth.lease_ms.map_or(world.policy.lease.as_millis() as Ms, |ms| ms as Ms);
    if truth.taken { lease } else { world.policy.accept.as_millis() as Ms }
}

/// Whether a coordinator could have heard of an attempt, and has not for too long.
pub(crate) fn is_lost(world: &World, index: usize, key: &Key, attempt: u32) -> bool {
    let coordinator = &world.coordinators[index];
    let Some(listening) = coordinator.listening else { return false };
    let Some(truth) = world.truths.at(key, coordinator.read as u64) else { return false };
    let since = |at: Option<&Ms>| world.now - at.map_or(listening, |at| listening.max(*at));
    let silent = since(coordinator.heard.get(&(key.clone(), attempt))) >= patience(world, &truth);
    let idle = since(coordinator.worked.get(&(key.clone(), attempt)));
    // Whoever waits for input, or for what it asked others, is not idle.
    let waits = truth.state == State::Waiting || world.truths.is_waiting(key, coordinator.read as u64);
    let may_stall = truth.taken && !waits;
    silent || may_stall && truth.stall_ms.is_some_and(|limit| idle >= limit as Ms)
}

/// A coordinator wants to append something.
pub(crate) fn append(world: &World, index: usize, key: &Key, message: &Message) -> Checked {
    let read = world.coordinators[index].read as u64;
    if let Message::Query(part) = message {
        return whole::asks(world, read, key, part);
    }
    let Some(truth) = world.truths.at(key, read) else {
        return Err(Broken::new("known", format!("c{index} writes about {key:?}, which it has not read")));
    };
    hold("one ending", truth.end.is_none(), || format!("c{index} writes about a query that it knows to have ended: {message:?}"))?;
    match message {
        Message::Assign(assign) => {
            let takes = truth.number + 1;
            hold("attempts rise", assign.attempt == takes, || format!("attempt {} after {}", assign.attempt, truth.number))?;
            let good = is_valid(world, key) && !truth.conflict;
            hold("invalid is rejected", good, || format!("c{index} assigns a query that is none: {key:?}"))?;
            hold("cancel stops", !truth.cancelled, || format!("c{index} assigns a cancelled query"))?;
            hold("attempts end", truth.spent < allowed(world, key), || format!("{} attempts spent, and one more", truth.spent))?;
            let crashes = truth.crashes + usize::from(assign.gives_up.as_ref().is_some_and(|failure| failure.crash));
            hold("crashes end", crashes < MOST_CRASHES, || format!("{crashes} crashes, and one more try"))?;
            explained(&truth, assign)?;
            healthy(world, index, key, &truth)?;
            lineage::assigned(world, read, key, assign)?;
            whole::begins(world, key, assign)?;
            wanted(world, index, key, assign)?;
            priority(world, index, key, assign)
        }
        Message::Answer(answer) => {
            hold("cancel stops", !truth.cancelled, || format!("c{index} answers a cancelled query"))?;
            let waits = world.truths.abandoned(key, read).is_none();
            hold("children end with their parent", waits, || format!("c{index} answers for nobody: {key:?}"))?;
            whole::answers(world, index, key, answer)
        }
        Message::Close(close) => closes(world, index, key, &truth, close),
        other => Err(Broken::new("known", format!("a coordinator does not write {other:?}"))),
    }
}

/// Whoever takes an attempt away says why, and says what is so.
fn explained(truth: &Truth, assign: &Assign) -> Checked {
    let code = assign.gives_up.as_ref().map(|failure| failure.code.as_str());
    let right = match (&truth.current, truth.taken) {
        (None, _) => code.is_none(),
        (Some(_), false) => code == Some("not_accepted"),
        (Some(_), true) => matches!(code, Some("lease_expired" | "stalled")),
    };
    hold("what is given up is explained", right, || format!("{code:?} for {:?}, taken: {}", truth.current, truth.taken))
}

fn closes(world: &World, index: usize, key: &Key, truth: &Truth, close: &Close) -> Checked {
    let bad = !is_valid(world, key) || truth.conflict;
    match close.reason {
        Reason::Dead => {
            let crashed = close.code == "crashed" && truth.crashes + usize::from(truth.taken) >= MOST_CRASHES;
            hold("dead when spent", crashed || truth.spent >= allowed(world, key), || format!("dead after {} attempts", truth.spent))?;
            healthy(world, index, key, truth)
        }
        Reason::Rejected if lineage::is_refusal(close) => lineage::refused(world, key, close),
        Reason::Rejected if close.code == "gather_unmet" => whole::asks_too_much(world, key),
        Reason::Rejected => {
            hold("invalid is rejected", bad, || format!("a good query is rejected: {close:?}"))?;
            hold("invalid is rejected", !truth.conflict || close.code == "conflict", || format!("a conflict is called {}", close.code))
        }
        Reason::Cancelled if close.code == "parent_ended" => lineage::orphaned(world, world.coordinators[index].read as u64, key),
        Reason::Cancelled => hold("cancel stops", truth.cancelled, || "cancelled by nobody".to_owned()),
        Reason::Unroutable => {
            let nobody = lineage::target(world, key).is_some() || whole::has_nobody(world, index, key);
            hold("routable", nobody, || "anybody could answer, and nobody may".to_owned())
        }
        Reason::Expired => {
            let gathers = truth.current.as_ref().is_some_and(|(agent, ..)| agent.is_coordinator());
            hold("gathered in time", !gathers, || "what is gathered is answered, and does not expire".to_owned())
        }
    }
}

/// An attempt is only taken away by a coordinator that could have heard of it, and did not for
/// as long as it must wait: no healthy work is killed.
fn healthy(world: &World, index: usize, key: &Key, truth: &Truth) -> Checked {
    let Some((_, attempt, _)) = &truth.current else { return Ok(()) };
    hold("no healthy work is killed", is_lost(world, index, key, *attempt), || {
        let coordinator = &world.coordinators[index];
        let heard = coordinator.heard.get(&(key.clone(), *attempt));
        format!("c{index} takes {key:?} attempt {attempt} away; listening {:?}, last heard {heard:?}", coordinator.listening)
    })
}

/// Who asks for one query is given that one and no other.
fn wanted(world: &World, index: usize, key: &Key, assign: &Assign) -> Checked {
    let wants = world.coordinators[index].wants.get(&assign.instance);
    hold("what was asked for", wants.is_none_or(|id| *id == key.id), || format!("c{index} gives {key:?} to one who wants {wants:?}"))
}

/// Where there is but one coordinator and one agent: the highest priority first, then the oldest, but for what was asked for.
fn priority(world: &World, index: usize, key: &Key, assign: &Assign) -> Checked {
    let coordinator = &world.coordinators[index];
    let chosen = coordinator.wants.contains_key(&assign.instance);
    if chosen || world.coordinators.len() > 1 || world.agents > 1 || coordinator.skew != 0 {
        return Ok(());
    }
    let place = |key: &Key| query(world, key).and_then(|(stored, query)| Some((std::cmp::Reverse(query?.priority()), stored.seq)));
    let waits = |other: &&Key| {
        let Some(truth) = world.truths.at(other, coordinator.read as u64) else { return false };
        let Some((_, Some(query))) = query(world, other) else { return false };
        truth.state == State::Posted
            && truth.number == 0
            && is_valid(world, other)
            && query.gather.is_none()
            && query.parent.is_none()
            && !(truth.conflict || truth.cancelled)
            && query.target.as_ref().is_none_or(|target| *target == assign.agent)
            && world.now < ms(truth.deadline)
            && coordinator.busy.get(other).is_none_or(|until| *until < world.now)
    };
    let first = world.truths.keys().filter(|other| *other != key).filter(waits).find(|other| place(other) < place(key));
    hold("priority, then age", first.is_none(), || format!("{key:?} goes before {first:?}"))
}

/// A coordinator tells an instance something.
pub(crate) fn hand(world: &mut World, index: usize, instance: &InstanceId, order: &Order) -> Checked {
    match order {
        Order::Work(work) => work_is_stored(world, index, instance, work),
        Order::Stop(stop) => {
            let Stop { id, requester, attempt } = stop.clone();
            let current = world.truths.now(&Key { id, requester }).and_then(|truth| truth.current.clone());
            let healthy = current.is_some_and(|(_, now, holder)| now == attempt && holder == *instance);
            hold("no healthy work is stopped", !healthy, || format!("c{index} stops attempt {attempt} of {id}, which is current"))
        }
        Order::Describe => Ok(()),
    }
}

/// Work is handed for an assignment that the ledger holds and that counts, and once.
fn work_is_stored(world: &mut World, index: usize, instance: &InstanceId, work: &Work) -> Checked {
    let key = Key { id: work.id, requester: work.requester.clone() };
    let coordinator = &world.coordinators[index];
    let truth = world.truths.at(&key, coordinator.read as u64);
    let holder = (work.assign.agent.clone(), work.assign.attempt, instance.clone());
    let counts = truth.is_some_and(|truth| truth.current.as_ref() == Some(&holder) && truth.end.is_none());
    hold("handed when stored", counts, || format!("c{index} hands {holder:?}, which the ledger does not hold"))?;
    let same = query(world, &key).is_some_and(|(_, query)| query == Some(&work.query));
    hold("handed when stored", same && work.assign.coordinator == coordinator.me, || format!("c{index} hands another's work"))?;
    let attempt = work.assign.attempt;
    let new = world.coordinators[index].handed.insert((key, attempt));
    hold("handed once", new, || format!("c{index} hands attempt {attempt} again"))
}

/// A coordinator signals an end: never more than the ledger holds.
pub(crate) fn end(world: &World, index: usize, requester: &Name, end: &End) -> Checked {
    let key = Key { id: end.id, requester: requester.clone() };
    let truth = world.truths.at(&key, world.coordinators[index].read as u64);
    let true_to = truth.is_some_and(|truth| truth.end == Some(end.seq) && truth.state == end.state);
    hold("ends as stored", true_to, || format!("c{index} signals {end:?}, which the ledger does not hold"))
}

/// Something was stored, perhaps by a coordinator that had read so far.
pub(crate) fn stored(world: &mut World, stored: &Stored, by: Option<(Life, u64)>) -> Checked {
    let keys: Vec<Key> = world.truths.keys().filter(|key| key.id == stored.slot.id).cloned().collect();
    for key in &keys {
        record::check(world, key)?;
    }
    let (Some((life, read)), Some(entry)) = (by, &stored.entry) else { return Ok(()) };
    let Some(key) = entry.key() else { return Ok(()) };
    let Some(truth) = world.truths.now(&key) else { return Ok(()) };
    let verdict = truth.verdicts.last().map(|(_, verdict)| *verdict);
    let answered = truth.end.is_some_and(|end| end > read) && matches!(truth.state, State::Completed | State::Failed);
    match (&entry.body, verdict) {
        (Ok(Message::Assign(assign)), Some(Verdict::Counted)) => {
            count_lost(world, &key, stored.seq);
            capacity(world, life, assign)
        }
        (Ok(Message::Close(_) | Message::Answer(_)), Some(Verdict::Counted)) => Ok(()),
        // No compare-and-set excludes the answers of two coordinators: the first one counts.
        (Ok(Message::Answer(_)), Some(Verdict::Late)) if truth.end.is_some_and(|end| end > read) => {
            world.tally.count(Happening::GatheredTwice);
            Ok(())
        }
        (Ok(Message::Query(_)), verdict) => {
            let first = truth.verdicts.len() == 1 && (verdict == Some(Verdict::Counted) || truth.conflict);
            hold("each part is asked once", first, || format!("c{} stored what is {verdict:?}: {key:?}", life.index))
        }
        (Ok(Message::Assign(_)), Some(Verdict::Late)) if answered => {
            world.tally.count(Happening::LateAfterAnswer);
            Ok(())
        }
        (_, Some(Verdict::Late)) if answered => Ok(()),
        (Ok(message @ (Message::Close(_) | Message::Answer(_))), Some(Verdict::Premature)) => {
            let by_time = !matches!(message, Message::Close(close) if close.reason != Reason::Expired);
            let coordinator = &mut world.coordinators[life.index];
            let excused = coordinator.skew > 0 && by_time && coordinator.epoch == life.epoch;
            let first = coordinator.epoch != life.epoch || (excused && coordinator.premature.insert(key));
            hold("time is the server's", first, || format!("c{} ends it too early: {message:?}", life.index))
        }
        (body, verdict) => Err(Broken::new("the fence holds", format!("c{} stored what is {verdict:?}: {body:?}", life.index))),
    }
}

fn count_lost(world: &mut World, key: &Key, seq: u64) {
    let before = world.truths.at(key, seq - 1);
    if let Some(before) = before.filter(|before| before.current.is_some()) {
        world.tally.count(if before.taken { Happening::Lost } else { Happening::Unaccepted });
    }
}

/// Where one coordinator has seen everything, no instance has more in hand than it can take,
/// but for attempts that were silent for too long.
fn capacity(world: &World, life: Life, assign: &Assign) -> Checked {
    if world.coordinators.len() > 1 || world.doubt {
        return Ok(());
    }
    let coordinator = &world.coordinators[life.index];
    let counts = |key: &&Key| {
        let Some((_, attempt, instance)) = world.truths.now(key).and_then(|truth| truth.current.clone()) else { return false };
        let was_lost = coordinator.lapsed.contains(&((*key).clone(), attempt)) || is_lost(world, life.index, key, attempt);
        instance == assign.instance && !was_lost
    };
    let held = world.truths.keys().filter(counts).count();
    let room = world.instances.iter().find(|instance| instance.id == assign.instance).map_or(0, |instance| instance.capacity as usize);
    // An instance that has just been replaced has no room that anybody knows of.
    hold("within capacity", room == 0 || held <= room, || format!("{} has {held} in hand, and room for {room}", assign.instance))
}

/// While an agent has a free hand, nothing waits for one.
pub(crate) fn no_hand_idles(world: &World, index: usize) -> Checked {
    let coordinator = &world.coordinators[index];
    let Some(desk) = coordinator.desk.as_ref().filter(|_| coordinator.live) else { return Ok(()) };
    let idle = world.routes.agents.iter().find(|agent| desk.waiting(agent) > 0 && desk.hands().free(agent).is_some());
    hold("no hand idles", idle.is_none(), || format!("c{index} lets {idle:?} wait for nothing"))
}

/// A coordinator has read an entry: every fold under its id agrees with the model.
pub(crate) fn folds(world: &World, index: usize, stored: &Stored) -> Checked {
    let mut keys = world.truths.keys().filter(|key| key.id == stored.slot.id);
    keys.try_for_each(|key| agrees(world, &world.coordinators[index], key))?;
    if world.family { lineage::agrees(world, index, stored) } else { Ok(()) }
}

fn agrees(world: &World, coordinator: &Coordinator, key: &Key) -> Checked {
    let Some(desk) = &coordinator.desk else { return Ok(()) };
    let fold = desk.book().get(key).map(|fold| {
        let holder = fold.current().map(|a| (a.agent.clone(), a.number, a.instance.clone()));
        (fold.state(), fold.ended().map(|ended| ended.seq), fold.last_number(), fold.spent(), fold.guard(), holder)
    });
    let truth = world.truths.at(key, coordinator.read as u64);
    let truth = truth.map(|t| (t.state, t.end, t.number, t.spent, t.guard, t.current.clone()));
    hold("the fold agrees with the model", fold == truth, || format!("{key:?}: the fold has {fold:?}, the model {truth:?}"))
}

/// Everything has finished: every record reads as the model says.
pub(crate) fn finished(world: &World) -> Checked {
    let ids: std::collections::BTreeSet<QueryId> = world.truths.keys().map(|key| key.id).collect();
    for key in world.truths.keys() {
        for coordinator in &world.coordinators {
            agrees(world, coordinator, key)?;
        }
    }
    ids.into_iter().try_for_each(|id| record::views(world, id))?;
    lineage::within_budgets(world)
}

/// What has not finished, in words.
pub(crate) fn unfinished(world: &World) -> String {
    let open = world.truths.keys().filter_map(|key| Some((key, world.truths.now(key)?))).filter(|(_, truth)| truth.end.is_none());
    let open: Vec<String> =
        open.map(|(key, truth)| format!("{} {:?} {} spent {}", key.id, key.requester, truth.state, truth.spent)).collect();
    let jobs: usize = world.instances.iter().map(|instance| instance.jobs.len()).sum();
    let desks: Vec<_> = world.coordinators.iter().map(|c| (c.is_idle(), c.has_read(world.stream.len()))).collect();
    format!("open {open:?}, {jobs} jobs, {} afloat, desks (idle, has read all) {desks:?}", world.afloat)
}
