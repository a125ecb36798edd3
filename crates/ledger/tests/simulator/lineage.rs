//! The rules that hold for what is asked on behalf of other queries: who may ask, how deep and how often, and what ends
//! with what. Judges by [`crate::kin`], never by the trees of the ledger, which [`agrees`] holds against it.

use std::collections::BTreeSet;

use ledger::Key;
use protocol::{
    Name,
    message::{Assign, Close},
};

use crate::{
    rules::{Broken, Checked, hold},
    stream::{Ms, Stored},
    world::World,
};

/// How long something that nobody waits for may stay open in the calm: it must be read, left alone by whoever is frozen,
/// and taken up by another.
const PATIENCE: Ms = 10_000;

/// Whether a query may not be asked on behalf of the one that it names.
pub(crate) fn is_refused(world: &World, key: &Key) -> bool {
    world.truths.kin(key).is_some_and(|kin| !kin.reasons.is_empty())
}

/// The agent that a query names, in its subject or in itself.
pub(crate) fn target(world: &World, key: &Key) -> Option<Name> {
    let (stored, query) = world.truths.query(key)?;
    query?.target.clone().or(stored.entry.as_ref()?.subject.to().name().cloned())
}

/// Whether a query names an agent that waits for it.
pub(crate) fn is_cycle(world: &World, key: &Key) -> bool {
    target(world, key).is_some_and(|target| world.truths.path(key).contains(&target))
}

/// A coordinator that has read so far gives a query to an agent.
pub(crate) fn assigned(world: &World, read: u64, key: &Key, assign: &Assign) -> Checked {
    let (truths, path) = (&world.truths, world.truths.path(key));
    let reasons = truths.kin(key).map(|kin| kin.reasons.clone()).unwrap_or_default();
    for (reason, rule) in [
        ("unknown_parent", "asked by whoever has it"),
        ("not_delegated", "asked by whoever has it"),
        ("too_deep", "no deeper than the budget"),
        ("budget_spent", "no more than the budget"),
    ] {
        hold(rule, !reasons.contains(&reason), || format!("{key:?} is assigned, although it is {reason}"))?;
    }
    let waits = path.contains(&assign.agent) && !assign.agent.is_coordinator();
    hold("no agent waits for itself", !waits, || format!("{key:?} comes back to {}: {path:?}", assign.agent))?;
    hold("children end with their parent", truths.abandoned(key, read).is_none(), || format!("{key:?} is assigned for nobody"))?;
    hold("the path is the ledger's", assign.path == path, || format!("{:?} instead of {path:?}", assign.path))?;
    let deadline = truths.deadline(key);
    hold("no deadline after one above", Some(assign.deadline) == deadline, || format!("{} instead of {deadline:?}", assign.deadline))?;
    // What has ended above is forgotten, with what it allowed.
    let line = truths.line(key);
    let is_whole = line.iter().all(|above| truths.at(above, read).is_some_and(|truth| truth.end.is_none()));
    let left = truths.left(key, read);
    hold("what is left of the budget is told", !is_whole || assign.budget == left, || format!("{:?} instead of {left:?}", assign.budget))
}

/// Whether a close refuses what was asked on behalf of another query.
pub(crate) fn is_refusal(close: &Close) -> bool {
    matches!(close.code.as_str(), "unknown_parent" | "not_delegated" | "too_deep" | "budget_spent" | "delegation_cycle")
}

/// A coordinator refuses what was asked on behalf of another query.
pub(crate) fn refused(world: &World, key: &Key, close: &Close) -> Checked {
    let reasons = world.truths.kin(key).map(|kin| kin.reasons.clone()).unwrap_or_default();
    let right = if close.code == "delegation_cycle" { is_cycle(world, key) } else { reasons.contains(&close.code.as_str()) };
    hold("refused for a reason", right, || format!("{} for {reasons:?}", close.code))
}

/// A coordinator that has read so far ends what nobody waits for.
pub(crate) fn orphaned(world: &World, read: u64, key: &Key) -> Checked {
    let abandoned = world.truths.abandoned(key, read);
    hold("children end with their parent", abandoned.is_some(), || format!("{key:?} ends, and its parent has not"))
}

/// In the calm, nothing stays open that nobody waits for.
pub(crate) fn no_orphan_lives(world: &World) -> Checked {
    if !world.calm {
        return Ok(());
    }
    for (key, kin) in world.truths.kins() {
        let is_open = world.truths.now(key).is_some_and(|truth| truth.end.is_none());
        let Some((seq, _)) = world.truths.abandoned(key, u64::MAX).filter(|_| is_open) else { continue };
        let since = world.stream.get(seq as usize - 1).map_or(world.now, |stored| stored.at).max(world.calm_at);
        let how = || format!("{key:?} of {:?} is open since {since}", kin.parent);
        hold("children end with their parent", world.now - since < PATIENCE, how)?;
    }
    Ok(())
}

/// Everything has ended: no tree grew beyond what any of its queries allowed.
pub(crate) fn within_budgets(world: &World) -> Checked {
    let truths = &world.truths;
    let assigned: Vec<Vec<Key>> =
        truths.kins().filter(|(key, _)| truths.now(key).is_some_and(|truth| truth.number > 0)).map(|(key, _)| truths.line(key)).collect();
    for key in truths.keys() {
        let limits = truths.limits(key);
        let depths: Vec<usize> = assigned.iter().filter_map(|line| line.iter().position(|above| above == key)).filter(|d| *d > 0).collect();
        let deepest = depths.iter().copied().max().unwrap_or(0);
        hold("no deeper than the budget", limits.depth.is_none_or(|most| deepest <= most as usize), || format!("{deepest} below {key:?}"))?;
        let asked = depths.len();
        hold("no more than the budget", limits.queries.is_none_or(|most| asked <= most as usize), || format!("{asked} below {key:?}"))?;
    }
    Ok(())
}

/// A coordinator has read an entry: what it knows of the trees that it stands in agrees with the model.
pub(crate) fn agrees(world: &World, index: usize, stored: &Stored) -> Checked {
    let read = world.coordinators[index].read as u64;
    let mut keys: BTreeSet<Key> = world.truths.keys().filter(|key| key.id == stored.slot.id).cloned().collect();
    for key in keys.clone() {
        keys.extend(world.truths.children(&key, read));
    }
    let known = |key: &&Key| world.truths.at(key, read).is_some();
    keys.iter().filter(known).try_for_each(|key| agrees_on(world, index, key, read))
}

fn agrees_on(world: &World, index: usize, key: &Key, read: u64) -> Checked {
    let Some(desk) = &world.coordinators[index].desk else { return Ok(()) };
    let (book, truths, kin) = (desk.book(), &world.truths, world.truths.kin(key));
    let same = |what: &str, same: bool| match same {
        true => Ok(()),
        false => Err(Broken::new("the tree agrees with the model", format!("c{index} differs on {what} of {key:?}, which is {kin:?}"))),
    };
    same("the path", book.path(key) == truths.path(key))?;
    same("the parent", book.parent(key) == kin.and_then(|kin| kin.parent.as_ref()))?;
    same("the children", book.children(key).map(|fold| fold.key().clone()).collect::<Vec<_>>() == truths.children(key, read))?;
    same("what is open below", book.is_delegating(key) == truths.is_delegating(key, read))?;
    same("the deadline", book.deadline(key) == truths.deadline(key))?;
    let over = |key: &Key| truths.at(key, read).is_some_and(|truth| truth.end.is_some());
    same("whether it is over", book.is_tree_over(key) == (truths.line(key).iter().all(over) && !truths.is_delegating(key, read)))?;
    let known = book.kin(key);
    let reasons: &[&str] = kin.map_or(&[], |kin| &kin.reasons);
    let refused = known.refusal.as_ref().map(|refusal| refusal.code);
    same("why it is refused", refused.map_or(reasons.is_empty(), |code| reasons.contains(&code)))?;
    let abandoned = truths.abandoned(key, read).is_some();
    same("who waits for it", !reasons.is_empty() || known.abandoned.is_some() == abandoned)
}
