//! `agentbus verify`: whether everything that was ever stored is accounted for, and every history legal.
//!
//! It reads the whole ledger, the whole archive and every piece of an attachment, and writes nothing. `history` has the rules, once more and
//! apart from those by which the bus runs; `report` says what was found.

mod attached;
mod history;
mod report;

use std::{collections::HashMap, process::ExitCode};

use agentbus::{Problem, QueryId};
use clap::Args;
use jiff::Timestamp;
use ledger::Pack;
use nats::{Account, Archive, Connection, Step};

use self::{
    attached::Attached,
    history::{History, Suspicion},
    report::{Finding, Report},
};
use crate::{
    bus,
    failure::{Exit, Failure},
    options::{From, Global},
    printer,
};

/// Options of `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    from: From,
    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Verify {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.from.from).await?;
        let report = verify(bus.connection()).await?;
        bus.close().await;
        if self.json {
            printer::json(&report);
        } else {
            printer::data(report::text(&report));
        }
        Ok(if report.clean { ExitCode::SUCCESS } else { ExitCode::from(Exit::Ended as u8) })
    }
}

async fn verify(connection: &Connection) -> Result<Report, Failure> {
    let (mut histories, mut unreadable, mut attached) = (History::default(), Vec::new(), Attached::default());
    let mut account = connection
        .verify_ledger(|step| {
            unreadable.extend(unread(step));
            if let Step::Entry(entry) = step {
                histories.hear(entry);
                attached.hear(entry);
            }
        })
        .await?;
    let mut moved = Moved::new(connection, attached);
    connection.verify_archive(&mut account, |id, pack| moved.hear(id, pack)).await?;
    let now = Timestamp::now();
    let mut suspects = histories.suspicions(now);
    suspects.extend(moved.suspicions(now));
    let mut report = Report::new(&account, histories.queries() + moved.queries, histories.ended() + moved.ended);
    std::mem::take(&mut moved.attached).judge(connection, now, &mut report).await?;
    gaps(&mut report, &account, now);
    account.bad_packs.iter().for_each(|seq| report.add(Finding::bad_pack(*seq)));
    unreadable.into_iter().for_each(|finding| report.add(finding));
    confirmed(connection, suspects, now).await?.into_iter().for_each(|suspicion| report.add(Finding::history(suspicion)));
    Ok(report)
}

/// A stored message that nobody can read. A query that cannot be read has a record and an ending, as every query.
fn unread(step: &Step) -> Option<Finding> {
    match step {
        Step::PassedOver { seq, subject, reason, .. } => {
            Some(Finding::unreadable(*seq, format!("its subject {subject:?} is none of the bus: {reason}")))
        }
        Step::Entry(entry) if entry.subject.kind() != protocol::Kind::Query => {
            let problem = Problem::from(entry.body.as_ref().err()?.clone());
            let (kind, from) = (entry.subject.kind(), entry.subject.from());
            Some(Finding::unreadable(entry.seq, format!("a {kind} of {from} is no valid message: {}", problem.message)))
        }
        _ => None,
    }
}

fn gaps(report: &mut Report, account: &Account, now: Timestamp) {
    for gap in account.gaps(now) {
        if gap.is_expired {
            report.dropped += gap.to - gap.from + 1;
        } else {
            report.add(Finding::missing(gap.from, gap.to));
        }
    }
}

/// What is left of the suspicions when each record is read by itself: while everything was read, the bus ran on.
async fn confirmed(connection: &Connection, suspects: Vec<Suspicion>, now: Timestamp) -> Result<Vec<Suspicion>, Failure> {
    let (archive, mut left) = (Archive::of(connection.clone()), Vec::new());
    let mut ids: Vec<_> = suspects.iter().map(|suspicion| suspicion.id).collect();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let whole = archive.whole(id, 1).await?;
        let mut history = History::default();
        whole.pages().filter_map(|page| connection.entry(page)).for_each(|entry| history.hear(&entry));
        if whole.erased().is_none() {
            left.extend(history.suspicions(now));
        }
    }
    Ok(left)
}

/// The histories of what has been archived, one after the other. Only those are kept that are not yet whole.
struct Moved<'a> {
    connection: &'a Connection,
    open: HashMap<QueryId, History>,
    attached: Attached,
    suspects: Vec<Suspicion>,
    queries: usize,
    ended: usize,
}

impl<'a> Moved<'a> {
    fn new(connection: &'a Connection, attached: Attached) -> Self {
        Self { connection, open: HashMap::new(), attached, suspects: Vec::new(), queries: 0, ended: 0 }
    }

    fn hear(&mut self, id: QueryId, pack: &Pack) {
        let Pack::Pages(pages) = pack else {
            self.open.remove(&id);
            return;
        };
        let mut history = self.open.remove(&id).unwrap_or_default();
        for entry in pages.iter().filter_map(|page| self.connection.entry(page)) {
            history.hear(&entry);
            self.attached.hear(&entry);
        }
        if history.queries() > history.ended() {
            self.open.insert(id, history);
            return;
        }
        self.queries += history.queries();
        self.ended += history.ended();
        // What it says of a part may be put right by another part: that is looked at again.
        self.suspects.extend(history.suspicions(Timestamp::UNIX_EPOCH));
    }

    fn suspicions(&mut self, now: Timestamp) -> Vec<Suspicion> {
        for history in std::mem::take(&mut self.open).into_values() {
            self.queries += history.queries();
            self.ended += history.ended();
            self.suspects.extend(history.suspicions(now));
        }
        std::mem::take(&mut self.suspects)
    }
}
