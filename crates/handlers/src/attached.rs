//! The attachments of a query as files, for handlers that work with files.
//!
//! They stand in a folder of their own that nobody else can read, for as long as one attempt, and go with it. What a host
//! that was killed has left is known by its lock, which nobody holds any more, and goes when a host starts. A file
//! has its attachment's name, which is never a path. Must never leave part of an attachment for the whole: what
//! cannot be had ends the attempt before anything is started.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use agentbus::{Error, Fault, Task};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How much all attachments of a query may have together: 1 GiB.
const MOST: u64 = 1 << 30;

/// How the names of their folders begin, and of nothing else.
const PREFIX: &str = "agentbus-attachments-";

/// For so long a folder may not be locked yet by whoever has just made it.
const NEW: Duration = Duration::from_secs(2);

/// The files of one attempt. Dropping this removes them.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    folder: Option<TempDir>,
    /// Held for as long as this process lives.
    _lock: Option<File>,
}

/// Removes what hosts of this user that are gone have left in a folder for temporary files.
pub(crate) fn sweep(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for path in entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())).map(|entry| entry.path()) {
        match is_left(&path).and_then(|left| if left { fs::remove_dir_all(&path).map(|()| true) } else { Ok(false) }) {
            Ok(true) => tracing::info!(path = %path.display(), "attachments that a killed process had left are removed"),
            Ok(false) => {}
            Err(error) => tracing::debug!(path = %path.display(), %error, "whether this is in use cannot be learnt"),
        }
    }
}

/// Whether this is a folder of ours of which nobody holds the lock.
fn is_left(path: &Path) -> io::Result<bool> {
    let seen = path.symlink_metadata()?;
    let is_ours = seen.is_dir() && seen.uid() == rustix::process::getuid().as_raw() && seen.mode() & 0o777 == 0o700;
    if !is_ours || seen.modified()?.elapsed().is_ok_and(|age| age < NEW) {
        return Ok(false);
    }
    Ok(File::open(path)?.try_lock().is_ok())
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
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir().map_err(unusable)?;
        // Where a file system has no locks, nothing is ever taken for left.
        let lock = File::open(folder.path()).ok().filter(|lock| lock.try_lock().is_ok());
        for attachment in task.attachments() {
            let path = folder.path().join(&attachment.name);
            // Two of one name, from a client that does not look: neither is taken for the other.
            let file = tokio::fs::File::options().write(true).create_new(true).open(path).await;
            let unusable = |error| Fault::fail("attachment_file", format!("{}: {error}", attachment.name));
            task.save(attachment, &mut file.map_err(unusable)?).await.map_err(|error: Error| Fault::from(error))?;
        }
        Ok(Self { folder: Some(folder), _lock: lock })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn what_nobody_holds_any_more_is_removed_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str, age: u64, mode: u32| {
            let path = place.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("note.txt"), "x").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let file = File::open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            file
        };
        let held = folder("agentbus-attachments-held", 60, 0o700);
        held.try_lock().unwrap();
        drop([
            folder("agentbus-attachments-left", 60, 0o700),
            folder("agentbus-attachments-new", 0, 0o700),
            folder("agentbus-attachments-open-to-all", 60, 0o755),
            folder("agentbus-other", 60, 0o700),
        ]);
        std::os::unix::fs::symlink(place.path().join("agentbus-other"), place.path().join("agentbus-attachments-link")).unwrap();
        sweep(place.path());
        let mut left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(
            left,
            [
                "agentbus-attachments-held",
                "agentbus-attachments-link",
                "agentbus-attachments-new",
                "agentbus-attachments-open-to-all",
                "agentbus-other"
            ]
        );
        drop(held);
        sweep(place.path());
        assert!(!place.path().join("agentbus-attachments-held").exists());
    }
}
