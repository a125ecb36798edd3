//! What a check of the whole bus has found: to people as lines, to programs as JSON.

use agentbus::QueryId;
use nats::{Account, Piece};
use protocol::Checksum;
use serde::Serialize;

use super::history::Suspicion;
use crate::show;

/// The most findings that are told one by one.
const MOST: usize = 1000;

/// What was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether nothing was found.
    pub(super) clean: bool,
    /// Messages in the ledger.
    stored: u64,
    /// The last sequence that the ledger had given out when it was read.
    last_seq: u64,
    /// Sequences that the archive accounts for: it holds them, or they were erased.
    archived: u64,
    /// Sequences that are so old that the archive has dropped them.
    pub(super) dropped: u64,
    /// Queries in both.
    queries: usize,
    /// How many of them have ended.
    ended: usize,
    /// Pieces of attachments that are kept.
    pub(super) pieces: usize,
    /// What is wrong, the first thousand of it.
    findings: Vec<Finding>,
    /// How many there are more.
    more: usize,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// A stable word for a program.
    code: &'static str,
    /// The query that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<QueryId>,
    /// The sequence that it is about, or the first.
    seq: u64,
    /// The last sequence, where it is about several.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_seq: Option<u64>,
    /// What is wrong, for a person.
    message: String,
    /// What to do about it.
    hint: &'static str,
}

impl Report {
    pub(super) fn new(account: &Account, queries: usize, ended: usize) -> Self {
        let Account { stored, last, archived, .. } = *account;
        Self { clean: true, stored, last_seq: last, archived, dropped: 0, queries, ended, pieces: 0, findings: Vec::new(), more: 0 }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.clean = false;
        if self.findings.len() < MOST {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

impl Finding {
    pub(super) fn missing(from: u64, to: u64) -> Self {
        let message = if from == to {
            "it is in neither ledger nor archive".to_owned()
        } else {
            format!("{} messages are in neither ledger nor archive", to - from + 1)
        };
        let hint = "Somebody removed it past the bus, or the server lost it: see the server's log, and the last backup.";
        Self { code: "missing", id: None, seq: from, to_seq: (to > from).then_some(to), message, hint }
    }

    pub(super) fn unreadable(seq: u64, message: String) -> Self {
        let hint = "Nothing was done about it; find who sent it. The schemas say what is valid: agentbus schema.";
        Self { code: "unreadable", id: None, seq, to_seq: None, message, hint }
    }

    pub(super) fn no_piece(id: QueryId, seq: u64, piece: Checksum) -> Self {
        let message = format!("it refers to the piece {piece} of an attachment, which is not there");
        let hint = "Whoever posted it never stored it, somebody removed it past the bus, or the server lost it: see who posted it, and the last backup.";
        Self { code: "attachment_missing", id: Some(id), seq, to_seq: None, message, hint }
    }

    pub(super) fn damaged(piece: &Piece) -> Self {
        let message = format!("message {} of the store of attachments has not the bytes of {}", piece.seq, piece.checksum);
        let hint = "Readers refuse it. Only coordinators may write to the store: see who else can.";
        Self { code: "attachment_damaged", id: Some(piece.id), seq: piece.seq, to_seq: None, message, hint }
    }

    pub(super) fn bad_pack(seq: u64) -> Self {
        let message = format!("message {seq} of the archive is no pack");
        Self {
            code: "bad_pack",
            id: None,
            seq,
            to_seq: None,
            message,
            hint: "Only coordinators may write to the archive: see who else can.",
        }
    }

    pub(super) fn history(Suspicion { id, seq, code, message }: Suspicion) -> Self {
        let hint = match code {
            "overdue" => "See that a coordinator runs: agentbus doctor. It ends what is overdue.",
            "ending_disputed" => "This is a fault of agentbus: report it with the output of 'agentbus history ID --json'.",
            _ => "Only coordinators may assign and close: see who else can, and that all of them are of this version.",
        };
        Self { code, id: Some(id), seq, to_seq: None, message, hint }
    }
}

/// The report as lines.
pub(super) fn text(report: &Report) -> String {
    let Report { stored, last_seq, archived, dropped, queries, ended, pieces, findings, more, .. } = report;
    let mut lines = vec![
        format!("ledger     {stored} of {last_seq} messages; {archived} archived or erased, {dropped} dropped after their retention"),
        format!("histories  {}, {ended} ended", show::count(*queries, "query")),
    ];
    if *pieces > 0 {
        lines.push(format!("attached   {}", show::count(*pieces, "piece")));
    }
    for Finding { code, id, seq, to_seq, message, hint } in findings {
        let place = to_seq.map_or_else(|| format!("sequence {seq}"), |to| format!("sequences {seq} to {to}"));
        let about = id.map(|id| format!("{id}, ")).unwrap_or_default();
        lines.push(format!("{}  {about}{place}: {}", show::red(code), show::plain(message)));
        lines.push(format!("  hint: {hint}"));
    }
    if *more > 0 {
        lines.push(format!("and {more} more"));
    }
    let verdict = match findings.len() + more {
        0 => show::green("clean: every message is accounted for, and every history is legal"),
        found => show::red(show::count(found, "finding")),
    };
    lines.push(verdict);
    lines.join("\n")
}
