//! `agentbus inbox`: what waits for an agent, and what it has in hand.

use std::process::ExitCode;

use agentbus::{Addressed, Name};
use jiff::Timestamp;
use serde_json::json;

use super::{Desk, as_json};
use crate::{failure::Failure, printer, show};

pub(super) async fn run(Desk { bus, json }: &Desk) -> Result<ExitCode, Failure> {
    let addressed = bus.addressed(bus.name()).await?;
    if *json {
        print_json(bus.name(), &addressed);
    } else {
        print(bus.name(), &addressed);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_json(me: &Name, Addressed { known, waiting, in_hand, more }: &Addressed) {
    let waiting: Vec<_> = waiting.iter().map(|record| as_json(record, None)).collect();
    let in_hand: Vec<_> = in_hand.iter().map(|(record, until)| as_json(record, *until)).collect();
    printer::json(&json!({ "agent": me, "known": known, "waiting": waiting, "in_hand": in_hand, "more": more }));
}

fn print(me: &Name, addressed: &Addressed) {
    if addressed.waiting.is_empty() && addressed.in_hand.is_empty() {
        printer::say(format!("nothing waits for {me}, and {me} has nothing in hand"));
    } else {
        let now = Timestamp::now();
        let held = addressed.in_hand.iter().map(|(record, until)| show::inbox_row(record, *until, now));
        let waits = addressed.waiting.iter().map(|record| show::inbox_row(record, None, now));
        printer::data(show::table(["id", "state", "age", "asked by", "lease", "question"], 4, held.chain(waits)));
    }
    if addressed.more {
        printer::say("there is more: what was posted longer ago, or goes last");
    }
    if !addressed.known {
        printer::say(format!(
            "warning: the bus does not know {me}: queries to it are unroutable. Make it known by a definition with 'handler: mailbox', \
             or: agentbus inbox take --wait 1h --as {me}"
        ));
    }
    if !addressed.in_hand.is_empty() {
        printer::say(format!("answer: agentbus inbox answer ID TEXT --as {me}"));
    }
    if !addressed.waiting.is_empty() {
        printer::say(format!("take the next one: agentbus inbox take --as {me}"));
    }
}
