//! Files that go with a query or an answer, as they are typed: what `ask`, `post` and `inbox answer` share.

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use agentbus::{Attachment, Bus, Query, Task};
use clap::Args;
use tokio::fs::{self, File};

use crate::failure::{Exit, Failure};

/// Files that go with a message.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Enclosed {
    /// A file to send along; may be given several times
    #[arg(long = "attach", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Enclosed {
    /// Puts them beside a query that is to be posted.
    pub(crate) async fn enclose(&self, bus: &Bus, query: &mut Query) -> Result<(), Failure> {
        for path in &self.files {
            read(path, "posted", async |name, file| bus.attach(query, name, file).await).await?;
        }
        Ok(())
    }

    /// Puts them beside the answer to a query that is in hand.
    pub(crate) async fn beside(&self, task: &Task) -> Result<Vec<Attachment>, Failure> {
        let mut attached = Vec::new();
        for path in &self.files {
            attached.push(read(path, "answered", async |name, file| task.attach(name, file).await).await?);
        }
        Ok(attached)
    }
}

/// Reads a file for `put`, and sees to it that nobody wrote to it meanwhile.
async fn read<T>(path: &Path, done: &str, put: impl AsyncFnOnce(&str, &mut File) -> Result<T, agentbus::Error>) -> Result<T, Failure> {
    let mut file = open(path).await?;
    let before = stamp(&file).await?;
    let put = put(name(path)?, &mut file).await?;
    if stamp(&file).await? != before {
        let failure = Failure::new(Exit::Ended, "attachment_file", format!("{}: it changed while it was read", path.display()));
        return Err(failure.hint(format!("Nothing was {done}. Attach it again when nothing writes to it.")));
    }
    Ok(put)
}

/// Looks before it opens: to open a pipe waits for whoever writes to it.
async fn open(path: &Path) -> Result<File, Failure> {
    let shown = path.display();
    let absent = |error: io::Error| Failure::usage("no_such_file", format!("{shown}: {error}"));
    let kind = fs::metadata(path).await.map_err(absent)?.file_type();
    if kind.is_dir() {
        return Err(Failure::usage("not_a_file", format!("{shown} is a folder")).hint("Attach files; a folder goes as an archive."));
    }
    if !kind.is_file() {
        let failure = Failure::usage("not_a_file", format!("{shown} is a pipe, a device or the like"));
        return Err(failure.hint("Write what comes from it to a file, and attach that."));
    }
    File::open(path).await.map_err(absent)
}

/// What becomes another when somebody writes to the file: its size, and when it was last written to.
async fn stamp(file: &File) -> io::Result<(u64, SystemTime)> {
    let about = file.metadata().await?;
    Ok((about.len(), about.modified()?))
}

/// What it is called: its file name, without the folder.
fn name(path: &Path) -> Result<&str, Failure> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.ok_or_else(|| Failure::usage("not_utf8", format!("the name of {} is not UTF-8", path.display())))
}
