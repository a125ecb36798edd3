//! The negative controls: one broken rule each, which the checks must catch. A check that cannot
//! fail proves nothing.
//!
//! None needs a hook in the code under test: they alter what a desk is given to read and hear,
//! what it is told of its appends, or what is done with its actions.

use std::{borrow::Cow, rc::Rc};

use ledger::{Action, Appended, Entry};
use protocol::{
    Extra, Heartbeat, Kind, Message, Order, Subject, To, Verdict, Work,
    message::{Assign, Close, Query, Reason, Until},
};

use crate::{
    event::Life,
    mutant_kin,
    rules::{self, Broken},
    stream::Stored,
    world::World,
};

macro_rules! mutants {
    ($($name:ident by $rule:literal: $doc:literal),* $(,)?) => {
        /// One broken rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Mutant { $(#[doc = $doc] $name),* }

        /// One test for each.
        #[allow(non_snake_case)]
        mod is_caught {
            $(#[test] fn $name() { crate::runner::catch(super::Mutant::$name, $rule); })*
        }
    };
}

mutants! {
    FirstEndingUnseen by "the fold agrees with the model": "A later ending counts too.",
    ZombieCounts by "the fold agrees with the model": "An answer counts from an attempt that is over.",
    StrangerCancels by "the fold agrees with the model": "A cancel counts from anybody.",
    WritersClock by "the fold agrees with the model": "A close as expired counts by the clock of its writer.",
    OwnerUnseen by "the fold agrees with the model": "A second requester takes over an id.",
    EarlyReplyLost by "the fold agrees with the model": "A reply does not count before its question.",
    WaiverUnseen by "the fold agrees with the model": "A question without whose reply its agent goes on stays open.",
    UnacceptedSpends by "dead when spent": "An assignment that nobody accepted spends an attempt.",
    InvalidTaken by "invalid is rejected": "What is no query is assigned.",
    CancelUnseen by "finishes": "A cancel is believed, and nothing follows.",
    FenceOff by "the fence holds": "Appends are stored whatever was stored since.",
    HandedFirst by "handed when stored": "Work is handed over before the ledger has it.",
    SameNameAgain by "handed once": "A coordinator that starts again acts on what it reads again.",
    EndedFirst by "ends as stored": "The end is signalled before the ledger has it.",
    ListensWhileDeaf by "no healthy work is killed": "Leases run out while the coordinator hears nothing.",
    LeasesUnheard by "no healthy work is killed": "Heartbeats do not renew leases.",
    StopsTooEagerly by "no healthy work is stopped": "Whatever a coordinator does not know of is stopped.",
    CapacityIgnored by "within capacity": "Instances are given more than they take.",
    WishIgnored by "what was asked for": "Who asks for one query is given another.",
    PriorityIgnored by "priority, then age": "All queries are equal.",
    AttemptRepeated by "attempts rise": "The next attempt has the number of the last.",
    TimersForgotten by "finishes": "Nobody looks again.",
    StopsForgotten by "finishes": "Nobody tells an instance to stop.",
    DoubtIsSuccess by "finishes": "An append whose fate is unknown is taken for stored.",
    RefusalIsSuccess by "finishes": "An append that was refused is taken for stored.",
    AttemptsUnending by "attempts end": "One attempt more than asked for.",
    CrashesUnending by "crashes end": "A query may take down what runs it as often as it likes.",
    GivenUpSilently by "what is given up is explained": "Nobody says why an attempt was taken away.",
    ClockUncorrected by "time is the server's": "A clock that is ahead is believed for ever.",
    SecondEndingJudged by "one ending": "The model itself lets a second ending count.",
    ZombieJudged by "only the assigned count": "The model itself lets anybody's work count.",
    ReplyMisjudged by "a reply counts": "The model itself drops a reply.",
    AnswerMisjudged by "an answer before the close wins": "The model itself drops an answer.",
    JunkUnnoticed by "finishes": "Only messages of the bus are counted under the guard.",

    ParentUnseen by "the tree agrees with the model": "Nobody sees on whose behalf a query is asked.",
    StrangersAsk by "asked by whoever has it": "Anybody may ask on behalf of a query.",
    RefusedFreely by "refused for a reason": "A sub-query is refused though nothing stands against it.",
    PathBelieved by "the path is the ledger's": "A client is believed what it says of its path.",
    CycleUnchecked by "no agent waits for itself": "A query may come back to an agent that waits for it.",
    DepthUnchecked by "no deeper than the budget": "A tree may grow as deep as it likes.",
    BudgetUnchecked by "no more than the budget": "A tree may have as many queries as it likes.",
    BudgetUntold by "what is left of the budget is told": "An agent does not learn how much it may ask.",
    DeadlineUnbound by "no deadline after one above": "A sub-query may take longer than what it is asked for.",
    ChildrenOutlive by "children end with their parent": "What was asked for a query goes on when that has ended.",
    ChildrenOutliveAttempt by "children end with their parent": "What an attempt asked goes on when that is over.",

    OneGathered by "only several are gathered": "A query for one agent gets parts.",
    NamedUnasked by "whoever was named is asked": "One of the agents that a query names is left out.",
    AskedTwice by "every part is named once": "One agent is asked twice.",
    PartForgotten by "every part is asked": "A part is not asked, or not again when nobody knows whether it was stored.",
    AnswerForgotten by "gathered in time": "What could be answered is not.",
    PartsUnfenced by "each part is asked once": "A part is posted whatever was stored since.",
    PartMisdirected by "only parts are asked": "A part is put to anybody.",
    PartReworded by "a part asks what the whole asks": "A part asks something else.",
    GatheredTooSoon by "no answer before its time": "One part is enough where all are to be waited for.",
    GatherersClock by "the fold agrees with the model": "An answer for several counts by the clock of its writer.",
    LatePartAwaited by "gathered in time": "A late part is waited for beyond the time.",
    FailedPartDropped by "every part is named once": "A part that failed is left out of the answer.",
    PartsGuessed by "each part as the ledger has it": "The answer says that all parts completed.",
    FailureHidden by "the outcome follows from the parts": "An answer without enough parts passes for completed.",
}

/// A sequence that is never reached.
const NEVER: u64 = u64::MAX;

/// What a coordinator is given to read for a stored message; None for nothing.
pub(crate) fn seen<'a>(world: &World, stored: &'a Stored) -> Option<Cow<'a, Entry>> {
    let entry = stored.entry.as_ref()?;
    let plain = Some(Cow::Borrowed(entry));
    let (Some(mutant), Some(key)) = (world.mutant, entry.key()) else { return plain };
    let truth = world.truths.at(&key, stored.seq);
    let verdict = truth.as_ref().and_then(|truth| truth.verdicts.iter().find(|(seq, _)| *seq == stored.seq)).map(|(_, verdict)| *verdict);
    match (mutant, &entry.body) {
        (Mutant::FirstEndingUnseen, Ok(Message::Answer(_) | Message::Close(_))) if truth.as_ref()?.end == Some(stored.seq) => None,
        (Mutant::OwnerUnseen, Ok(Message::Query(_))) if verdict == Some(Verdict::Counted) && is_shared(world, &key) => None,
        (Mutant::EarlyReplyLost, Ok(Message::Reply(reply))) => {
            let asked = |stored: &Rc<Stored>| {
                let body = stored.entry.as_ref().and_then(|entry| entry.body.as_ref().ok());
                matches!(body, Some(Message::Question(question)) if question.question == reply.question)
            };
            world.truths.log(key.id).iter().take_while(|earlier| earlier.seq < stored.seq).any(asked).then_some(Cow::Borrowed(entry))
        }
        (Mutant::JunkUnnoticed, Err(_)) if entry.subject.kind() != Kind::Query => None,
        (mutant, _) => altered(mutant, world, entry, verdict).map_or(plain, |altered| Some(Cow::Owned(altered))),
    }
}

fn altered(mutant: Mutant, world: &World, entry: &Entry, verdict: Option<Verdict>) -> Option<Entry> {
    let mut altered = entry.clone();
    match (mutant, &mut altered.body) {
        (Mutant::ZombieCounts, Ok(Message::Answer(answer))) if verdict == Some(Verdict::Stale) => {
            let truth = world.truths.at(&entry.key()?, entry.seq)?;
            let (agent, attempt, instance) = truth.current.clone()?;
            (answer.attempt, answer.instance) = (attempt, instance);
            let to = entry.subject.to().clone();
            altered.subject = Subject::new(Kind::Answer, entry.subject.id(), agent, to).ok()?;
        }
        (Mutant::StrangerCancels, Ok(Message::Cancel(_))) => {
            let key = world.truths.keys().find(|key| key.id == entry.subject.id())?.clone();
            altered.subject = Subject::new(Kind::Cancel, key.id, key.requester, entry.subject.to().clone()).ok()?;
        }
        (Mutant::WritersClock, Ok(Message::Close(close))) if close.reason == Reason::Expired => {
            altered.time = world.truths.at(&entry.key()?, entry.seq)?.deadline.max(entry.time);
        }
        (Mutant::GatherersClock, Ok(Message::Answer(_))) if verdict == Some(Verdict::Premature) => {
            altered.time = world.truths.at(&entry.key()?, entry.seq)?.deadline.max(entry.time);
        }
        (Mutant::InvalidTaken, body @ Err(_)) if entry.subject.kind() == Kind::Query => {
            *body = Ok(Message::Query(Query::new(entry.subject.from().clone(), "request", "Well?")));
        }
        (Mutant::ClockUncorrected, Ok(Message::Close(close))) if verdict == Some(Verdict::Premature) => {
            close.coordinator = "somebody".parse().ok()?;
        }
        (Mutant::WaiverUnseen, Ok(Message::Progress(progress))) => progress.defaulted = None,
        (Mutant::PriorityIgnored, Ok(Message::Query(query))) => query.priority = None,
        (Mutant::ParentUnseen, Ok(Message::Query(query))) => query.parent = None,
        (Mutant::GatheredTooSoon, Ok(Message::Query(Query { gather: Some(gather), .. }))) => gather.until = Some(Until::First),
        _ => return None,
    }
    Some(altered)
}

/// A verdict of the model, before it is checked itself.
pub(crate) fn judged(world: &World, entry: &Entry, verdict: Verdict) -> Verdict {
    match (world.mutant, &entry.body, verdict) {
        (Some(Mutant::SecondEndingJudged), Ok(Message::Answer(_)), Verdict::Late)
        | (Some(Mutant::ZombieJudged), Ok(Message::Answer(_)), Verdict::Stale) => Verdict::Counted,
        (Some(Mutant::ReplyMisjudged), Ok(Message::Reply(_)), Verdict::Counted)
        | (Some(Mutant::AnswerMisjudged), Ok(Message::Answer(_)), Verdict::Counted) => Verdict::Stale,
        (_, _, verdict) => verdict,
    }
}

/// What a coordinator hears of an instance.
pub(crate) fn heartbeat(world: &World, beat: &Rc<Heartbeat>) -> Rc<Heartbeat> {
    let mut altered = Heartbeat::clone(beat);
    match world.mutant {
        Some(Mutant::LeasesUnheard) => altered.leases.clear(),
        Some(Mutant::CapacityIgnored) => altered.capacity += 1,
        Some(Mutant::WishIgnored) => altered.only = None,
        _ => return Rc::clone(beat),
    }
    Rc::new(altered)
}

/// What a coordinator is told of its append.
pub(crate) fn outcome(world: &World, outcome: Appended) -> Appended {
    match (world.mutant, outcome) {
        (Some(Mutant::DoubtIsSuccess), Appended::Unknown) | (Some(Mutant::RefusalIsSuccess), Appended::Refused) => Appended::Stored(NEVER),
        _ => outcome,
    }
}

/// What is done of what a coordinator wants.
pub(crate) fn action(world: &mut World, life: Life, action: Action) -> Result<Option<Action>, Broken> {
    let (Some(mutant), Action::Append { key, message, .. }) = (world.mutant, &action) else { return Ok(Some(action)) };
    let (key, message) = (key.clone(), message.as_ref().clone());
    match (mutant, message) {
        (Mutant::CancelUnseen, Message::Close(close)) if close.reason == Reason::Cancelled => return Ok(None),
        (Mutant::HandedFirst, Message::Assign(assign)) => {
            let Some(query) = rules::query(world, &key).and_then(|(_, query)| query.cloned()) else { return Ok(Some(action)) };
            let instance = assign.instance.clone();
            let order = Order::Work(Box::new(Work { id: key.id, requester: key.requester, assign, query }));
            rules::hand(world, life.index, &instance, &order)?;
        }
        (Mutant::EndedFirst, Message::Close(close)) => {
            let seq = world.stream.len() as u64 + 1;
            let state = close.reason.state();
            let end = protocol::End { id: key.id, seq, state, digest: String::new() };
            rules::end(world, life.index, &key.requester, &end)?;
        }
        (Mutant::UnacceptedSpends, Message::Assign(assign)) if assign.attempt as usize > rules::allowed(world, &key) => {
            return Ok(with(action, Message::Close(dead(&assign)), To::One(key.requester)));
        }
        (Mutant::AttemptsUnending, Message::Close(close)) if close.reason == Reason::Dead => {
            let Some(mut assign) = last_assign(world, &key) else { return Ok(Some(action)) };
            assign.attempt += 1;
            let to = To::One(assign.agent.clone());
            return Ok(with(action, Message::Assign(assign), to));
        }
        (Mutant::CrashesUnending, Message::Close(close)) if close.code == "crashed" => {
            let Some(mut assign) = last_assign(world, &key) else { return Ok(Some(action)) };
            assign.attempt += 1;
            assign.gives_up =
                Some(protocol::message::Failure { crash: true, ..protocol::message::Failure::new("lease_expired", "It died.") });
            let to = To::One(assign.agent.clone());
            return Ok(with(action, Message::Assign(assign), to));
        }
        (Mutant::GivenUpSilently, Message::Assign(mut assign)) => {
            assign.gives_up = None;
            let to = To::One(assign.agent.clone());
            return Ok(with(action, Message::Assign(assign), to));
        }
        (Mutant::AttemptRepeated, Message::Assign(mut assign)) if assign.attempt > 1 => {
            assign.attempt -= 1;
            let to = To::One(assign.agent.clone());
            return Ok(with(action, Message::Assign(assign), to));
        }
        _ => return Ok(mutant_kin::action(world, life, mutant, action)),
    }
    Ok(Some(action))
}

fn last_assign(world: &World, key: &ledger::Key) -> Option<Assign> {
    let stored = world.truths.log(key.id).iter().rev().filter_map(|stored| stored.entry.as_ref());
    let mut assigns = stored.filter_map(|entry| if let Ok(Message::Assign(assign)) = &entry.body { Some(assign) } else { None });
    assigns.next().cloned()
}

/// The same append with another message.
pub(crate) fn with(action: Action, message: Message, to: To) -> Option<Action> {
    let Action::Append { key, expect, .. } = action else { return None };
    let subject = Subject::new(message.kind(), key.id, key.requester.clone(), to).ok()?;
    Some(Action::Append { key, subject, message: Box::new(message), expect })
}

fn dead(assign: &Assign) -> Close {
    Close {
        reason: Reason::Dead,
        code: "attempts_spent".to_owned(),
        message: "All attempts are spent.".to_owned(),
        pointer: None,
        hint: None,
        coordinator: assign.coordinator.clone(),
        extra: Extra::new(),
    }
}

/// Whatever a coordinator has not read of is stopped, also what it will read of in a moment.
pub(crate) fn eager_stops(world: &mut World, life: Life, beat: &Heartbeat) -> Result<(), Broken> {
    if world.mutant != Some(Mutant::StopsTooEagerly) {
        return Ok(());
    }
    for lease in &beat.leases {
        let key = ledger::Key { id: lease.id, requester: lease.requester.clone() };
        let truth = world.truths.at(&key, world.coordinators[life.index].read as u64);
        let holder = (beat.agent.clone(), lease.attempt, beat.instance_id.clone());
        if truth.is_none_or(|truth| truth.current.as_ref() != Some(&holder)) {
            let stop = protocol::Stop { id: lease.id, requester: lease.requester.clone(), attempt: lease.attempt };
            rules::hand(world, life.index, &beat.instance_id, &Order::Stop(stop))?;
        }
    }
    Ok(())
}

/// Whether two requesters have used one id.
fn is_shared(world: &World, key: &ledger::Key) -> bool {
    world.truths.keys().any(|other| other.id == key.id && other != key)
}
