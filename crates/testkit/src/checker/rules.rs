//! What must hold of a run: I1 to I5, each over the whole evidence.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Evidence, Verdict,
    story::{End, Story},
};

type Stories = BTreeMap<String, Vec<Story>>;

fn word<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field].as_str().unwrap_or_default()
}

fn of<'a>(lines: &'a [Value], event: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    lines.iter().filter(move |line| line["event"] == event).map(|line| (word(line, "id"), line))
}

/// The story that a client means: its own, which is the first of its id but where ids collide.
fn story<'a>(stories: &'a Stories, id: &str) -> Option<&'a Story> {
    stories.get(id)?.first()
}

/// I1: what was acknowledged is there, and has one ending.
pub(super) fn one_ending(evidence: &Evidence, stories: &Stories, verdict: &mut Verdict) {
    for (id, line) in of(&evidence.clients, "acknowledged") {
        verdict.acknowledged.insert(id.to_owned());
        let Some(story) = story(stories, id) else {
            verdict.lost.insert(id.to_owned());
            verdict.broken("I1", id, "it was acknowledged, and no stream holds it");
            continue;
        };
        let told = line["seq"].as_u64();
        if told.is_some_and(|seq| seq != story.query_seq && !story.again.contains(&seq)) {
            verdict.broken("I1", id, format!("it was acknowledged at {told:?} and stands at {}", story.query_seq));
        }
    }
    for story in stories.values().flatten() {
        if story.stored > 1 {
            verdict.duplicated.insert(story.id.clone());
            verdict.broken("I2", &story.id, format!("the same query is stored {} times", story.stored));
        }
    }
    for (id, _) in of(&evidence.clients, "unknown").chain(of(&evidence.clients, "sent")) {
        if !verdict.acknowledged.contains(id) && !refused_for_good(evidence, id) {
            verdict.unknown.insert(id.to_owned());
        }
    }
}

/// Whether a client was told so often that it is not stored, and never that it may be.
fn refused_for_good(evidence: &Evidence, id: &str) -> bool {
    of(&evidence.clients, "given_up").any(|(given_up, line)| given_up == id && line["maybe_stored"] == false)
}

/// I2: a result commits once, everybody is told the same one, and an attempt is worked on once.
pub(super) fn one_result(evidence: &Evidence, stories: &Stories, verdict: &mut Verdict) {
    for (id, line) in of(&evidence.clients, "signalled").chain(of(&evidence.clients, "ended")) {
        let Some(end) = story(stories, id).and_then(|story| story.end.as_ref()) else {
            verdict.broken("I2", id, format!("a client was told of an end that no stream holds: {line}"));
            continue;
        };
        if let Some(difference) = differs(line, end) {
            verdict.duplicated.insert(id.to_owned());
            verdict.broken("I2", id, difference);
        }
    }
    let mut started: BTreeMap<(&str, u64), usize> = BTreeMap::new();
    for (id, line) in of(&evidence.works, "start") {
        *started.entry((id, line["attempt"].as_u64().unwrap_or_default())).or_default() += 1;
    }
    for ((id, attempt), times) in started {
        if times > 1 {
            verdict.duplicated.insert(id.to_owned());
            verdict.broken("I2", id, format!("attempt {attempt} was worked on {times} times"));
        }
        if !stories.get(id).is_some_and(|stories| stories.iter().any(|story| story.assigned.contains(&attempt))) {
            verdict.broken("I2", id, format!("attempt {attempt} was worked on, and no stream holds its assignment"));
        }
    }
}

/// In what a client was told otherwise than the stream has it.
fn differs(line: &Value, end: &End) -> Option<String> {
    let seq = line["seq"].as_u64().or(line["end_seq"].as_u64());
    let text = line["text"].as_str();
    let same_text = text.is_none() || text == end.text.as_deref();
    if word(line, "state") == end.state && seq.is_none_or(|seq| seq == end.seq) && same_text {
        return None;
    }
    Some(format!("a client was told {line}, and the stream has {end:?}"))
}

/// I3: every ending has words, attempts rise, nothing is assigned or closed that may not be.
pub(super) fn legal(stories: &Stories, verdict: &mut Verdict) {
    for story in stories.values().flatten() {
        for odd in &story.odd {
            if odd.0 == "I1" {
                verdict.duplicated.insert(story.id.clone());
            }
            verdict.broken(odd.0, &story.id, odd.1.clone());
        }
        if story.end.as_ref().is_some_and(|end| !end.notified) {
            verdict.broken("I3", &story.id, "its ending carries no notification");
        }
        if story.taken.iter().any(|taken| !story.assigned.contains(taken)) {
            verdict.broken("I3", &story.id, format!("attempts {:?} were taken and {:?} assigned", story.taken, story.assigned));
        }
    }
    for (id, several) in stories {
        for other in several.iter().skip(1) {
            if other.end.as_ref().is_some_and(|end| end.state != "rejected") {
                verdict.duplicated.insert(id.clone());
                verdict.broken("I2", id, "two requesters' queries of one id were both carried out");
            }
        }
    }
}

/// No sequence is missing that nobody erased: what is gone from the ledger stands in the archive.
pub(super) fn no_gap(evidence: &Evidence, verdict: &mut Verdict) {
    let held: BTreeSet<u64> = evidence.stored.entries.iter().map(|entry| entry.seq).collect();
    let gone: Vec<u64> = (1..=evidence.stored.last).filter(|seq| !held.contains(seq) && !evidence.stored.erased.contains(seq)).collect();
    if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
        verdict.broken("I1", "", format!("{} sequences are in no stream, from {first} to {last}", gone.len()));
    }
}

/// I4: a durable subscriber is given all progress, in order; what was given before may come again.
pub(super) fn watched(evidence: &Evidence, verdict: &mut Verdict) {
    let Some(watched) = &evidence.watched else { return };
    let stored = evidence.stored.entries.iter().filter(|entry| entry.kind == "progress");
    let stored: Vec<u64> = stored.map(|entry| entry.seq).collect();
    let mut seen = Vec::new();
    for seq in watched {
        if seen.last().is_none_or(|last| seq > last) {
            seen.push(*seq);
        }
    }
    if seen == stored {
        return;
    }
    let (have, want): (BTreeSet<_>, BTreeSet<_>) = (seen.iter().collect(), stored.iter().collect());
    let missed: Vec<_> = want.difference(&have).take(5).collect();
    let foreign: Vec<_> = have.difference(&want).take(5).collect();
    verdict.broken("I4", "", format!("the subscriber saw {} of {}: missed {missed:?}…, foreign {foreign:?}…", have.len(), want.len()));
}

/// I5: in the end nothing is open but what waits for a reason that `status` names.
pub(super) fn nothing_stuck(evidence: &Evidence, stories: &Stories, verdict: &mut Verdict) {
    let acknowledged: Vec<String> = verdict.acknowledged.iter().cloned().collect();
    for id in acknowledged {
        let open = story(stories, &id).is_some_and(|story| story.end.is_none());
        if open && evidence.waiting.get(&id).is_none_or(String::is_empty) {
            verdict.lost.insert(id.clone());
            verdict.broken("I5", &id, "it has no end, and nothing says what it waits for");
        }
    }
}
