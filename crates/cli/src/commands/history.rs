//! `agentbus history`: everything that happened to a query, or the tree of what was asked on its behalf.

use std::process::ExitCode;

use agentbus::{Bus, QueryId, Record, Tree};
use clap::Args;

use crate::{
    bus,
    failure::Failure,
    options::{From, Global},
    printer, show,
};

/// Options of `history`.
#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    from: From,
    /// The query
    id: QueryId,
    /// Draw what was asked on its behalf, and on behalf of that, with states and times
    #[arg(long)]
    tree: bool,
    /// Print the record with its messages, or the tree, as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl History {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.from.from).await?;
        if self.tree {
            tree(&bus, self.id, self.json).await?;
        } else {
            messages(&bus, self.id, self.json).await?;
        }
        bus.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

async fn tree(bus: &Bus, id: QueryId, json: bool) -> Result<(), Failure> {
    let tree = bus.tree(id).await?;
    if json {
        printer::json(&tree);
    } else {
        show::tree(&tree);
    }
    Ok(())
}

async fn messages(bus: &Bus, id: QueryId, json: bool) -> Result<(), Failure> {
    let record = bus.history(id).await?;
    if json {
        printer::json(&record);
    } else {
        show::history(&record, kin(bus, &record).await.as_ref());
    }
    Ok(())
}

/// What a coordinator tells of a query's kin, where it has some. It forgets what ended long ago; the record does not.
pub(super) async fn kin(bus: &Bus, record: &Record) -> Option<Tree> {
    if !show::has_kin(record) {
        return None;
    }
    bus.tree(record.id).await.ok()
}
