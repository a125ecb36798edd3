//! The rules that hold for the record of one query, whoever wrote it: each is read off the raw
//! messages and the verdicts on them.

use std::collections::BTreeSet;

use ledger::{Entry, Key};
use protocol::{
    Kind, Message, QueryId, State, Verdict,
    message::{Outcome, Reason},
};

use crate::{
    lineage,
    model::Truth,
    mutant,
    rules::{Checked, allowed, hold, is_valid},
    whole,
    world::World,
};

/// Checks the record of one query.
pub(crate) fn check(world: &World, key: &Key) -> Checked {
    let Some(truth) = world.truths.now(key) else { return Ok(()) };
    let log = world.truths.log(key.id);
    let judged: Vec<(&Entry, Verdict)> = truth
        .verdicts
        .iter()
        .filter_map(|(seq, verdict)| Some((log.iter().find(|stored| stored.seq == *seq)?.entry.as_ref()?, *verdict)))
        .map(|(entry, verdict)| (entry, mutant::judged(world, entry, verdict)))
        .collect();
    one_ending(&judged)?;
    attempts(&judged)?;
    ending(world, key, &truth, &judged)
}

fn is_ending(entry: &Entry) -> bool {
    match &entry.body {
        Ok(Message::Close(_)) => true,
        Ok(Message::Answer(answer)) => answer.outcome != Outcome::Retry,
        _ => false,
    }
}

/// One ending counts, and nothing after it.
fn one_ending(judged: &[(&Entry, Verdict)]) -> Checked {
    let counted = |(entry, verdict): &&(&Entry, Verdict)| *verdict == Verdict::Counted && is_ending(entry);
    let endings = judged.iter().filter(counted).count();
    hold("one ending", endings <= 1, || format!("{endings} endings"))?;
    let after = judged.iter().skip_while(|judged| !counted(judged)).skip(1);
    let changes =
        after.clone().find(|(entry, verdict)| *verdict != Verdict::Late && entry.body.as_ref().map_or(true, |m| m.kind() != Kind::Query));
    hold("one ending", changes.is_none(), || format!("after the end: {changes:?}"))
}

/// Attempts rise, and whatever counts for one comes from whom it was given to.
fn attempts(judged: &[(&Entry, Verdict)]) -> Checked {
    let mut holder = None;
    let mut last = 0;
    let mut replied = BTreeSet::new();
    for (entry, verdict) in judged {
        let counts = *verdict == Verdict::Counted;
        let from = entry.subject.from();
        let signed = match &entry.body {
            Ok(Message::Assign(assign)) if counts => {
                hold("attempts rise", assign.attempt > last, || format!("attempt {} after {last}", assign.attempt))?;
                (holder, last) = (Some((&assign.agent, assign.attempt, &assign.instance)), assign.attempt);
                continue;
            }
            Ok(Message::Accept(a)) => Some((a.attempt, &a.instance)),
            Ok(Message::Progress(p)) => p.attempt.zip(p.instance.as_ref()),
            Ok(Message::Question(q)) => Some((q.attempt, &q.instance)),
            Ok(Message::Answer(a)) => Some((a.attempt, &a.instance)),
            Ok(Message::Reply(reply)) => {
                let expected = if replied.insert(reply.question) { Verdict::Counted } else { Verdict::Duplicate };
                hold("a reply counts", *verdict == expected || *verdict == Verdict::Late, || format!("a reply is {verdict:?}"))?;
                continue;
            }
            _ => continue,
        };
        let current = signed.map(|(attempt, instance)| (from, attempt, instance));
        hold("only the assigned count", !counts || current == holder, || format!("{entry:?} counts for {holder:?}"))?;
        if let (true, Ok(Message::Answer(_))) = (counts, &entry.body) {
            holder = None;
        }
        // An answer of the one who has it in hand wins, however late the hour; too early is only one for several.
        let early = *verdict == Verdict::Premature && from.is_coordinator();
        let wins = !early && current.is_some() && current == holder && matches!(&entry.body, Ok(Message::Answer(_)));
        hold("an answer before the close wins", !wins || *verdict == Verdict::Late, || format!("{entry:?} is {verdict:?}"))?;
    }
    Ok(())
}

/// Each ending has what it needs.
fn ending(world: &World, key: &Key, truth: &Truth, judged: &[(&Entry, Verdict)]) -> Checked {
    let Some((entry, _)) = judged.iter().find(|(entry, _)| Some(entry.seq) == truth.end) else { return Ok(()) };
    let bad = truth.conflict || !is_valid(world, key) || lineage::is_refused(world, key);
    let rejected = truth.state == State::Rejected;
    let refused = lineage::is_cycle(world, key) || whole::asks_too_much(world, key).is_ok();
    let right = if rejected { bad || refused } else { !bad };
    hold("invalid is rejected", right, || format!("a query that is bad ({bad}) is {}", truth.state))?;
    let Ok(Message::Close(close)) = &entry.body else { return Ok(()) };
    match close.reason {
        Reason::Expired => hold("time is the server's", entry.time >= truth.deadline, || format!("expired at {}", entry.time)),
        Reason::Cancelled => {
            let wish = world.truths.log(key.id).iter().filter_map(|stored| stored.entry.as_ref());
            let mut wish = wish.filter(|wish| wish.seq < entry.seq && *wish.subject.from() == key.requester);
            let wished = wish.any(|wish| matches!(wish.body, Ok(Message::Cancel(_))));
            let abandoned = world.truths.abandoned(key, entry.seq - 1).is_some();
            hold("cancel is the requester's", wished || abandoned, || "no cancel".to_owned())
        }
        Reason::Dead => {
            let spent: BTreeSet<u32> =
                judged.iter().filter(|(_, verdict)| *verdict == Verdict::Counted).filter_map(|(e, _)| taken(e)).collect();
            let crashed = close.code == "crashed" && spent.len() >= ledger::MOST_CRASHES;
            hold("dead when spent", crashed || spent.len() >= allowed(world, key), || format!("dead after {spent:?}"))
        }
        Reason::Rejected | Reason::Unroutable => Ok(()),
    }
}

fn is_given_back(attempt: &protocol::Attempt) -> bool {
    attempt.failure.as_ref().is_some_and(|failure| failure.code == "instance_stopped")
}

/// The attempt that a message shows to have been taken.
fn taken(entry: &Entry) -> Option<u32> {
    match entry.body.as_ref().ok()? {
        Message::Accept(m) => Some(m.attempt),
        Message::Question(m) => Some(m.attempt),
        Message::Answer(m) => Some(m.attempt),
        Message::Progress(m) => m.attempt,
        _ => None,
    }
}

/// The records under one id, as users see them, say what the model says.
pub(crate) fn views(world: &World, id: QueryId) -> Checked {
    let entries: Vec<Entry> = world.truths.log(id).iter().filter_map(|stored| stored.entry.clone()).collect();
    for key in world.truths.keys().filter(|key| key.id == id) {
        let Some(truth) = world.truths.now(key) else { continue };
        let record = ledger::record(id, &key.requester, &entries);
        let seen = record.map(|record| {
            let verdicts: Vec<_> =
                record.messages.iter().map(|logged| (logged.seq, logged.verdict)).filter(|(_, v)| *v != Verdict::Orphan).collect();
            let has_end = record.answer.is_some() != record.close.is_some();
            let spent = record.attempts.iter().filter(|attempt| attempt.accepted_at.is_some() && !is_given_back(attempt)).count();
            (record.state, record.end_seq, verdicts, has_end, spent)
        });
        let told = Some((truth.state, truth.end, truth.verdicts.clone(), true, truth.spent));
        hold("the record agrees with the model", seen == told, || format!("{key:?}: the record has {seen:?}, the model {told:?}"))?;
    }
    Ok(())
}
