//! The negative controls of what is asked on behalf of others, and of several at once: what they do with the actions of a
//! desk. The list of all of them is in [`crate::mutant`].

use ledger::{Action, Appended, Key};
use protocol::{
    Message, State, To,
    message::{Answer, Asked, Assign, Close, Outcome, Query, Reason},
};

use crate::{
    event::{Event, Life},
    lineage,
    mutant::{Mutant, with},
    world::World,
};

/// What is done of an append that a coordinator wants. None: nothing; nobody tells it, or it is told that it was refused.
pub(crate) fn action(world: &mut World, life: Life, mutant: Mutant, action: Action) -> Option<Action> {
    let Action::Append { key, message, .. } = &action else { return Some(action) };
    let (key, message) = (key.clone(), message.as_ref().clone());
    let changed = match message {
        Message::Close(close) if is_dropped(world, life, mutant, &key, &close) => return refused(world, life, key),
        Message::Answer(answer) if mutant == Mutant::LatePartAwaited && has_open(&answer) => return refused(world, life, key),
        Message::Answer(_) if mutant == Mutant::AnswerForgotten => return None,
        Message::Query(_) if mutant == Mutant::PartForgotten => return None,
        Message::Close(close) => assigned_instead(world, life, mutant, &key, &close),
        Message::Assign(assign) => other_assign(world, mutant, &key, assign),
        Message::Answer(answer) => other_answer(mutant, *answer).map(|answer| (Message::Answer(Box::new(answer)), None)),
        Message::Query(query) => return Some(other_part(mutant, action, query)),
        _ => None,
    };
    match (changed, mutant) {
        (Some((Message::Answer(answer), _)), _) => Some(replaced(action, Message::Answer(answer))),
        (Some((message, to)), _) => with(action, message, to.unwrap_or(To::One(key.requester))),
        (None, _) => Some(action),
    }
}

/// The same append, to the same subject, with another message.
fn replaced(action: Action, other: Message) -> Action {
    match action {
        Action::Append { key, subject, expect, .. } => Action::Append { key, subject, message: Box::new(other), expect },
        action => action,
    }
}

fn refused(world: &mut World, life: Life, key: Key) -> Option<Action> {
    world.agenda.put(world.now + 500, Event::Acked(life, key, Appended::Refused));
    None
}

fn has_open(answer: &Answer) -> bool {
    answer.parts.iter().any(|part| !part.state.is_terminal())
}

/// Whether a close for want of a parent is forgotten.
fn is_dropped(world: &World, life: Life, mutant: Mutant, key: &Key, close: &Close) -> bool {
    let read = world.coordinators[life.index].read as u64;
    let with_parent = world.truths.abandoned(key, read).map(|(_, ended)| ended);
    let forgotten = match mutant {
        Mutant::ChildrenOutlive => Some(true),
        Mutant::ChildrenOutliveAttempt => Some(false),
        _ => return false,
    };
    close.code == "parent_ended" && with_parent == forgotten
}

/// A query that should be refused is assigned.
fn assigned_instead(world: &World, life: Life, mutant: Mutant, key: &Key, close: &Close) -> Option<(Message, Option<To>)> {
    let unchecked = match close.code.as_str() {
        "delegation_cycle" => Mutant::CycleUnchecked,
        "too_deep" => Mutant::DepthUnchecked,
        "budget_spent" => Mutant::BudgetUnchecked,
        "not_delegated" | "unknown_parent" => Mutant::StrangersAsk,
        _ => return None,
    };
    let agent = lineage::target(world, key).unwrap_or_else(|| crate::requests::name("a1"));
    let instance = world.instances.iter().find(|instance| instance.agent == agent)?.id.clone();
    let read = world.coordinators[life.index].read as u64;
    let assign = Assign {
        agent: agent.clone(),
        instance,
        attempt: world.truths.at(key, read)?.number + 1,
        deadline: world.truths.deadline(key)?,
        coordinator: world.coordinators[life.index].me.clone(),
        decision: protocol::Decision::new(Some(agent.clone()), protocol::Step::Target, "so"),
        gives_up: None,
        path: world.truths.path(key),
        budget: world.truths.left(key, read),
        parts: Vec::new(),
        extra: protocol::Extra::new(),
    };
    (mutant == unchecked).then_some((Message::Assign(assign), Some(To::One(agent))))
}

/// An assignment that says something else.
fn other_assign(world: &World, mutant: Mutant, key: &Key, mut assign: Assign) -> Option<(Message, Option<To>)> {
    let query = world.truths.query(key).and_then(|(_, query)| query)?;
    match mutant {
        Mutant::PathBelieved => assign.path = query.path.clone().unwrap_or_default(),
        Mutant::DeadlineUnbound => assign.deadline = world.truths.now(key)?.deadline,
        Mutant::BudgetUntold => assign.budget = None,
        Mutant::NamedUnasked if assign.parts.len() > 1 => drop(assign.parts.pop()),
        Mutant::AskedTwice if !assign.parts.is_empty() => assign.parts.extend(assign.parts.first().cloned()),
        Mutant::OneGathered if assign.parts.is_empty() => assign.parts = vec![Asked { id: key.id, agent: assign.agent.clone() }],
        Mutant::RefusedFreely if query.parent.is_some() => {
            let close = Close {
                reason: Reason::Rejected,
                code: "too_deep".to_owned(),
                message: "No.".to_owned(),
                pointer: None,
                hint: None,
                coordinator: assign.coordinator,
                extra: protocol::Extra::new(),
            };
            return Some((Message::Close(close), None));
        }
        _ => return None,
    }
    let to = To::One(assign.agent.clone());
    Some((Message::Assign(assign), Some(to)))
}

/// An answer of a whole that says something else of its parts.
fn other_answer(mutant: Mutant, mut answer: Answer) -> Option<Answer> {
    match mutant {
        Mutant::FailedPartDropped => answer.parts.retain(|part| part.state != State::Failed),
        Mutant::PartsGuessed => answer.parts.iter_mut().for_each(|part| part.state = State::Completed),
        Mutant::FailureHidden => answer.outcome = Outcome::Completed,
        _ => return None,
    }
    Some(answer)
}

/// A part that is asked in another way.
fn other_part(mutant: Mutant, action: Action, mut query: Query) -> Action {
    match (mutant, action) {
        (Mutant::PartsUnfenced, Action::Append { key, subject, message, .. }) => Action::Append { key, subject, message, expect: None },
        (Mutant::PartReworded, action) => {
            query.payload.query.push_str(" And why?");
            replaced(action, Message::Query(query))
        }
        (Mutant::PartMisdirected, action) => {
            query.target = None;
            replaced(action, Message::Query(query))
        }
        (_, action) => action,
    }
}
