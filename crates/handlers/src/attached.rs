//! The attachments of a query as files, for handlers that work with files.
//!
//! They stand in a folder of their own that nobody else can read, for as long as one attempt, and go with it. A file
//! has its attachment's name, which is never a path. Must never leave part of an attachment for the whole: what
//! cannot be had ends the attempt before anything is started.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, path::Path};

use agentbus::{Error, Fault, Task};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How much all attachments of a query may have together: 1 GiB.
const MOST: u64 = 1 << 30;

/// The files of one attempt. Dropping this removes them.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    folder: Option<TempDir>,
}

impl Attached {
    /// Writes the files. Where the query has no attachments, there is no folder.
    pub(crate) async fn of(task: &Task) -> Result<Self, Fault> {
        if task.attachments().is_empty() {
            return Ok(Self::default());
        }
        let size = task.attachments().iter().fold(0_u64, |all, one| all.saturating_add(one.size));
        if size > MOST {
            let message = format!("the attachments have {size} bytes together, and at most {MOST} are written to files");
            return Err(Fault::fail("attachment_too_large", message));
        }
        let unusable = |error: std::io::Error| Fault::retry("attachment_file", format!("no files can be written here: {error}"));
        let folder = tempfile::Builder::new().prefix("agentbus-").permissions(Permissions::from_mode(0o700)).tempdir().map_err(unusable)?;
        for attachment in task.attachments() {
            let path = folder.path().join(&attachment.name);
            // Two of one name, from a client that does not look: neither is taken for the other.
            let file = tokio::fs::File::options().write(true).create_new(true).open(path).await;
            let unusable = |error| Fault::fail("attachment_file", format!("{}: {error}", attachment.name));
            task.save(attachment, &mut file.map_err(unusable)?).await.map_err(|error: Error| Fault::from(error))?;
        }
        Ok(Self { folder: Some(folder) })
    }

    /// The folder in which the files are, if there are any.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }

    /// Tells where the files are: in the query as a command gets it, each attachment has its `path` in place of its
    /// bytes, or of where they are kept.
    pub(crate) fn tell(&self, asked: &mut Value) {
        let Some(folder) = &self.folder else { return };
        for attachment in asked.get_mut("attachments").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(attachment) = attachment.as_object_mut() else { continue };
            let name = attachment.get("name").and_then(Value::as_str).unwrap_or_default();
            let path = folder.path().join(name);
            ["data", "pieces", "record"].into_iter().for_each(|field| drop(attachment.remove(field)));
            attachment.insert("path".to_owned(), json!(path.to_string_lossy()));
        }
    }
}
