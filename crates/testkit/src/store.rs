//! Stores that fail as disks do: a small one in memory that gets full, and one in an image whose state at
//! one moment can be kept, as a power cut keeps it.
//!
//! Mounting needs root. Without it, a test that needs a store fails and says so: it must not pass unseen.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A file system of its own. Unmounted when dropped.
#[derive(Debug)]
pub struct Store {
    at: PathBuf,
    image: Option<PathBuf>,
}

impl Store {
    /// One in memory, of so many MiB, mounted at `at`.
    ///
    /// # Panics
    /// When it cannot be mounted.
    #[must_use]
    pub fn memory(at: &Path, mib: u32) -> Self {
        fs::create_dir_all(at).expect("a folder to mount at");
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs", &text(at)]);
        Self { at: at.to_owned(), image: None }
    }

    /// One in an image of so many MiB, mounted at `at`.
    ///
    /// # Panics
    /// When it cannot be made or mounted.
    #[must_use]
    pub fn image(at: &Path, mib: u64) -> Self {
        let image = at.with_extension("img");
        let file = fs::File::create(&image).expect("an image");
        file.set_len(mib << 20).expect("room for an image");
        run("mkfs.ext4", &["-q", "-F", &text(&image)]);
        Self::mount(image, at)
    }

    fn mount(image: PathBuf, at: &Path) -> Self {
        fs::create_dir_all(at).expect("a folder to mount at");
        run("mount", &["-o", "loop", &text(&image), &text(at)]);
        Self { at: at.to_owned(), image: Some(image) }
    }

    /// Gives a store in memory another size, in MiB.
    ///
    /// # Panics
    /// When it cannot be mounted anew.
    pub fn grow(&self, mib: u32) {
        run("mount", &["-o", &format!("remount,size={mib}m"), &text(&self.at)]);
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// What a power cut at this moment would leave: only what has reached the image, mounted at `at`. Whoever
    /// writes to this store must be frozen meanwhile.
    ///
    /// # Panics
    /// When this store has no image, or its copy cannot be mounted.
    #[must_use]
    pub fn after_power_cut(&self, at: &Path) -> Self {
        let image = self.image.as_ref().expect("a store in an image");
        let copy = at.with_extension("img");
        // Read past the cache of the file system that is mounted: only the image's own bytes count.
        fs::copy(image, &copy).expect("a copy of the image");
        Self::mount(copy, at)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Lazily: somebody may just be ending in there.
        let _ = Command::new("umount").args(["-l", &text(&self.at)]).stderr(Stdio::null()).status();
        if let Some(image) = &self.image {
            let _ = fs::remove_file(image);
        }
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of the laboratory is plain text").to_owned()
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program} is needed for this: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {args:?} failed: {said}\nThis fault needs root (or CAP_SYS_ADMIN) to mount a store of its own, \
         with the commands mount, umount and mkfs.ext4."
    );
}
