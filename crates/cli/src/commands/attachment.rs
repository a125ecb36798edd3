//! `agentbus attachment`: lists what goes with a query and its answer, and writes one of it to a file.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use agentbus::{Attachment, Bus, QueryId, Record};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use tokio::fs::File;

use crate::{
    bus,
    failure::{Exit, Failure},
    options::{From, Global},
    printer, show,
};

/// Options of `attachment`.
#[derive(Debug, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    from: From,
    /// The query
    id: QueryId,
    /// Which one. Without a name, all are listed
    name: Option<String>,
    /// Where it goes: a file, or a folder in which it gets its own name. Default: standard output
    #[arg(short, long, value_name = "FILE", requires = "name")]
    output: Option<PathBuf>,
    /// Where two have the same name: that of the query, or that of the answer
    #[arg(long, value_name = "WHAT", requires = "name")]
    of: Option<Of>,
    /// Print the list as JSON
    #[arg(long, conflicts_with = "name")]
    pub(crate) json: bool,
}

/// What an attachment goes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    /// The query.
    Query,
    /// The answer.
    Answer,
}

impl Of {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Answer => "answer",
        }
    }
}

impl Fetch {
    pub(crate) async fn run(self, global: &Global) -> Result<ExitCode, Failure> {
        let bus = bus::connect(global, self.from.from.clone()).await?;
        let all = attachments(&bus.status(self.id).await?);
        match &self.name {
            Some(name) => write(&bus, &self.one(name, &all)?, self.output.as_deref()).await?,
            None if self.json => printer::json(&all.iter().map(data).collect::<Vec<_>>()),
            None if all.is_empty() => printer::say("nothing is attached"),
            None => printer::data(show::table(["of", "name", "size", "type", "digest"], 3, all.iter().map(row))),
        }
        bus.close().await;
        Ok(ExitCode::SUCCESS)
    }

    /// The one of this name.
    fn one(&self, name: &str, all: &[(Of, Attachment)]) -> Result<Attachment, Failure> {
        let mut found = all.iter().filter(|(of, one)| one.name == name && self.of.is_none_or(|wanted| wanted == *of));
        let Some((_, one)) = found.next() else {
            let failure = Failure::new(Exit::Ended, "not_found", format!("no attachment {name:?} goes with the query {}", self.id));
            return Err(failure.hint(format!("See what there is: agentbus attachment {}", self.id)));
        };
        if found.next().is_some() {
            let failure = Failure::usage("ambiguous", format!("query and answer both have an attachment {name:?}"));
            return Err(failure.hint("Say which: --of query, or --of answer"));
        }
        Ok(one.clone())
    }
}

/// Everything that goes with a query, and with the answer that ended it.
fn attachments(record: &Record) -> Vec<(Of, Attachment)> {
    let posted = record.query.get("attachments").cloned().and_then(|all| serde_json::from_value::<Vec<Attachment>>(all).ok());
    let answer = record.answer.iter().flat_map(|answer| answer.attachments.iter().chain(&answer.result_at));
    let answer: Vec<_> = answer.map(|one| (Of::Answer, one.clone())).collect();
    posted.unwrap_or_default().into_iter().map(|one| (Of::Query, one)).chain(answer).collect()
}

/// Writes it. A file gets its name when it is whole, and what stood there before stays until then.
async fn write(bus: &Bus, attachment: &Attachment, output: Option<&Path>) -> Result<(), Failure> {
    let Some(output) = output else {
        return Ok(bus.save(attachment, &mut tokio::io::stdout()).await?);
    };
    let path = if output.is_dir() { output.join(&attachment.name) } else { output.to_owned() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unwritable = |error: std::io::Error| Failure::usage("unwritable", format!("{} cannot be written: {error}", path.display()));
    let part = tempfile::Builder::new().prefix(".agentbus-").permissions(Permissions::from_mode(0o666)).tempfile_in(folder);
    let (file, part) = part.map_err(unwritable)?.into_parts();
    let mut file = File::from_std(file);
    bus.save(attachment, &mut file).await?;
    file.sync_all().await.map_err(unwritable)?;
    part.persist(&path).map_err(|error| unwritable(error.error))?;
    printer::say(written(&path, attachment.size));
    Ok(())
}

/// Where it is now. The sender chose the name, so it is made harmless.
fn written(path: &Path, size: u64) -> String {
    format!("{}  {}", show::plain(&path.display().to_string()), show::bytes(size))
}

fn data((of, one): &(Of, Attachment)) -> Value {
    let Attachment { name, media_type, size, digest, .. } = one;
    json!({ "of": of.as_str(), "name": name, "media_type": media_type, "size": size, "digest": digest })
}

fn row((of, one): &(Of, Attachment)) -> [String; 5] {
    let media_type = one.media_type.as_deref().map(show::plain).unwrap_or_default();
    [of.as_str().to_owned(), show::plain(&one.name), show::bytes(one.size), media_type, one.digest.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_sent_does_nothing_to_the_terminal() {
        assert_eq!(written(Path::new("here/a\u{1b}]0;x\u{7}.txt"), 3), "here/a\u{fffd}]0;x\u{fffd}.txt  3 B");
    }
}
