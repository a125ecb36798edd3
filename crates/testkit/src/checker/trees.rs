//! What must hold of queries that belong together: what is asked on behalf of another ends with it, and an
//! answer of several agents names each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Verdict, story::Story};

type Stories = BTreeMap<String, Vec<Story>>;

/// I5: nothing is left open that was asked on behalf of a query that has ended. And what ends as cancelled
/// without a cancel has a parent that ended before.
pub(super) fn end_together(stories: &Stories, verdict: &mut Verdict) {
    for story in stories.values().flatten() {
        let Some(parent) = story.parent.as_ref().and_then(|id| stories.get(id)?.first()) else { continue };
        match (&parent.end, &story.end) {
            (Some(_), None) => verdict.broken("I5", &story.id, format!("it is open, and {}, for which it was asked, is not", parent.id)),
            (over, Some(end)) if end.state == "cancelled" && !story.was_cancelled() => {
                let before = over.as_ref().is_some_and(|over| over.seq < end.seq);
                // Or the attempt that asked it was given up.
                if !before && parent.assigned.len() < 2 {
                    verdict.broken("I3", &story.id, format!("it was cancelled, and nobody had ended {}", parent.id));
                }
            }
            _ => {}
        }
    }
}

/// I3: an answer of several agents names each part once, in a state that the part had or came to.
pub(super) fn name_every_part(stories: &Stories, verdict: &mut Verdict) {
    for story in stories.values().flatten() {
        let Some(end) = story.end.as_ref().filter(|_| !story.listed.is_empty()) else { continue };
        if !["completed", "failed"].contains(&end.state.as_str()) {
            continue;
        }
        let named: BTreeSet<&String> = story.gathered.iter().map(|(id, _)| id).collect();
        let listed: BTreeSet<&String> = story.listed.iter().collect();
        if named != listed || story.gathered.len() != story.listed.len() {
            verdict.broken("I3", &story.id, format!("it lists {listed:?} and its answer names {named:?}"));
        }
        for (id, state) in &story.gathered {
            let part = stories.get(id).and_then(|parts| parts.first()).and_then(|part| part.end.as_ref());
            let ended_before = part.filter(|part| part.seq < end.seq);
            let is_end = !["posted", "assigned", "accepted", "working", "waiting"].contains(&state.as_str());
            if is_end && ended_before.is_none_or(|part| part.state != *state) {
                verdict.broken("I3", &story.id, format!("its answer calls the part {id} {state}, and the stream has {part:?}"));
            }
        }
    }
}
