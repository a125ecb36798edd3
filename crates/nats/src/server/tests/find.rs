//! Which nats-server is taken, passed over or refused.

use std::path::PathBuf;
use std::time::Duration;

use semver::Version;
use tempfile::tempdir;

use super::{Log, script};
use crate::server::probe::probe_within;
use crate::server::{Error, Finder, Origin, PINNED_VERSION, Unusable};

const OLD: &str = "echo 'nats-server: v2.9.10'";
const GOOD: &str = "echo 'nats-server: v2.12.3'";

#[tokio::test]
async fn passes_over_unusable_ones_on_path_and_says_so() {
    let folder = tempdir().unwrap();
    let folders = ["old", "junk", "good"].map(|name| folder.path().join(name));
    folders.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    script(&folders[0].join("nats-server"), OLD);
    script(&folders[1].join("nats-server"), "echo 'ceci n’est pas un serveur'");
    let good = script(&folders[2].join("nats-server"), GOOD);

    let log = Log::default();
    let found = Finder::new(None, folders, None).find(|event| log.add(&event)).await.unwrap().unwrap();
    assert_eq!((found.path, found.origin), (good, Origin::Path));
    assert_eq!(found.version, Version::new(2, 12, 3));
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("old/nats-server: it is version 2.9.10, and 2.12.3"), "{lines:?}");
    assert!(lines[1].contains("junk/nats-server: `--version` did not print"), "{lines:?}");
}

#[tokio::test]
async fn refuses_a_named_one_that_will_not_do_though_a_good_one_is_on_path() {
    let folder = tempdir().unwrap();
    script(&folder.path().join("nats-server"), GOOD);
    let old = script(&folder.path().join("old"), OLD);
    let junk = script(&folder.path().join("junk"), "exit 3");
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "not a program").unwrap();
    let missing = folder.path().join("missing");

    for (named, code) in [
        (old, "server_too_old"),
        (junk, "server_unusable"),
        (plain, "server_unusable"),
        (folder.path().to_owned(), "server_unusable"),
        (missing, "server_missing"),
    ] {
        let finder = Finder::new(Some(named.clone()), [folder.path().to_owned()], None);
        let error = finder.find_or_fetch(|_| {}).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(named.to_str().unwrap()), "{error}");
        assert!(error.hint().unwrap().contains("AGENTBUS_NATS_SERVER"), "{error}");
    }
}

#[tokio::test]
async fn takes_the_named_one_first_then_path_then_the_cache() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("bin");
    let cache = folder.path().join("cache");
    let slot = cache.join(format!("nats-server-{PINNED_VERSION}"));
    [&path, &slot].iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
    let named = script(&folder.path().join("named"), GOOD);
    let on_path = script(&path.join("nats-server"), GOOD);
    let cached = script(&slot.join("nats-server"), GOOD);

    let find = async |finder: Finder| finder.find(|_| {}).await.unwrap().map(|found| (found.path, found.origin));
    let all = Finder::new(Some(named.clone()), [path.clone()], Some(cache.clone()));
    assert_eq!(find(all).await, Some((named, Origin::Named)));
    assert_eq!(find(Finder::new(None, [path], Some(cache.clone()))).await, Some((on_path, Origin::Path)));
    assert_eq!(find(Finder::new(None, [], Some(cache))).await, Some((cached, Origin::Cache)));
    assert_eq!(find(Finder::new(None, [], None)).await, None);
}

#[tokio::test]
async fn runs_nothing_from_relative_path_entries() {
    let folder = tempdir().unwrap();
    script(&folder.path().join("nats-server"), GOOD);
    // The same folder, as seen from the current one.
    let up = std::env::current_dir().unwrap().components().skip(1).map(|_| "..").collect::<PathBuf>();
    let relative = up.join(folder.path().strip_prefix("/").unwrap());
    assert!(relative.join("nats-server").exists());
    assert_eq!(Finder::new(None, [relative, "".into()], None).find(|_| {}).await.unwrap(), None);
}

#[tokio::test]
async fn a_program_that_hangs_or_never_stops_talking_is_given_up() {
    let folder = tempdir().unwrap();
    let mute = script(&folder.path().join("mute"), "exec tail -f /dev/null");
    let chatty = script(&folder.path().join("chatty"), "exec yes");
    for program in [mute, chatty] {
        let error = probe_within(&program, Duration::from_millis(300)).await.unwrap_err();
        assert!(matches!(error, Unusable::TimedOut(_)), "{error}");
    }
}

#[tokio::test]
async fn without_a_cache_directory_there_is_nothing_to_fetch_into() {
    let error = Finder::new(None, [], None).find_or_fetch(|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::NoCache), "{error}");
    assert!(error.hint().unwrap().contains("AGENTBUS_CACHE"));
}
