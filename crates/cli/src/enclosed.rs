//! Files that go with a query, as they are typed: what `ask` and `post` share.

use std::path::{Path, PathBuf};

use agentbus::{Bus, Query};
use clap::Args;
use tokio::fs::File;

use crate::failure::Failure;

/// Files that go with a query.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Enclosed {
    /// A file that goes with the question; may be given several times
    #[arg(long = "attach", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Enclosed {
    /// Puts them beside a query that is to be posted.
    pub(crate) async fn enclose(&self, bus: &Bus, query: &mut Query) -> Result<(), Failure> {
        for path in &self.files {
            let file = open(path).await?;
            bus.attach(query, name(path)?, file).await?;
        }
        Ok(())
    }
}

async fn open(path: &Path) -> Result<File, Failure> {
    let shown = path.display();
    let file = File::open(path).await.map_err(|error| Failure::usage("no_such_file", format!("{shown}: {error}")))?;
    if file.metadata().await?.is_dir() {
        return Err(Failure::usage("not_a_file", format!("{shown} is a folder")).hint("Attach files; a folder goes as an archive."));
    }
    Ok(file)
}

/// What it is called: its file name, without the folder.
fn name(path: &Path) -> Result<&str, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.ok_or_else(|| Failure::usage("not_utf8", format!("the name of {} is not UTF-8", path.display())))
}
