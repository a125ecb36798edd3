//! How things look to people: text on stdout, never JSON.
//!
//! Everything here makes text out of values and decides nothing. What comes from a message goes
//! through [`plain`] or [`lines`] first, so that nobody on the bus can write to a terminal.
//! Colours are always put in; `printer` takes them out where nobody watches.
//!
//! Reading order: `plain` and `style`, then one file for each thing that is shown.

mod amount;
mod answer;
mod attached;
mod card;
mod dead;
mod decision;
mod diagnostic;
mod ending;
mod entry;
mod fact;
mod fields;
mod gist;
mod history;
mod inbox;
mod kin;
mod nearest;
mod parts;
mod plain;
mod points;
mod record;
mod style;
mod table;
#[cfg(test)]
mod testing;
mod time;
mod tree;

use agentbus::{Decision, Ended, Presence, Record, Tree, protocol::DeadLetters};
use jiff::Timestamp;

pub(crate) use amount::{bytes, count};
pub(crate) use diagnostic::diagnostics;
pub(crate) use entry::{entry, entry_json};
pub(crate) use fact::{facts, rows as fact_rows};
pub(crate) use gist::progress;
pub(crate) use kin::has_kin;
pub(crate) use nearest::nearest;
pub(crate) use plain::{cut, plain};
pub(crate) use style::{green, red, yellow};
pub(crate) use table::table;
pub(crate) use time::{age, moment};

use crate::printer;

/// Prints how a query ended, for its requester: the delivery notification first.
pub(crate) fn answer(ended: &Ended) {
    printer::data(answer::text(ended));
}

/// Prints where a query stands, and what it has to do with others.
pub(crate) fn record(record: &Record, tree: Option<&Tree>) {
    printer::data(record::text(record, tree));
}

/// Prints everything that happened to a query.
pub(crate) fn history(record: &Record, tree: Option<&Tree>) {
    printer::data(history::text(record, tree));
}

/// A line of an inbox.
pub(crate) fn inbox_row(record: &Record, lease_until: Option<Timestamp>, now: Timestamp) -> [String; 6] {
    inbox::row(record, lease_until, now)
}

/// Prints a query for whoever has taken it.
pub(crate) fn inbox_query(record: &Record, lease_until: Option<Timestamp>) {
    printer::data(inbox::query(record, lease_until));
}

/// Draws a query with all that was asked on its behalf.
pub(crate) fn tree(tree: &Tree) {
    printer::data(tree::text(tree, Timestamp::now()));
}

/// Prints dead letters.
pub(crate) fn dead(dead: &DeadLetters) {
    printer::data(dead::text(dead));
}

/// Who answers a query, and why, as text.
pub(crate) fn decision_text(decision: &Decision) -> String {
    decision::text(decision)
}

/// Prints who answers a query, and why.
pub(crate) fn decision(decision: &Decision) {
    printer::data(decision::text(decision));
}

/// Prints an agent's card, and who of it is live.
pub(crate) fn card(presence: &Presence) {
    printer::data(card::text(presence));
}
